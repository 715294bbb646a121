// Serves the built console as the gateway does: same headers, same rules for what is missing.
import { readFile } from 'node:fs/promises'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

const DIST = fileURLToPath(new URL('../../dist', import.meta.url))
const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.webmanifest': 'application/manifest+json',
}
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
  "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

const headers = (type, cache) => ({
  'Content-Type': type,
  'Cache-Control': cache,
  'Content-Security-Policy': CSP,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
})

async function tryFile(path) {
  try {
    return await readFile(join(DIST, normalize(path)))
  } catch {
    return null
  }
}

export async function serveFile(path, response) {
  const isAsset = path.startsWith('/assets/')
  const found = extname(path) ? await tryFile(path) : null
  if (found) {
    response.writeHead(200, headers(TYPES[extname(path)] ?? 'application/octet-stream', isAsset ? 'public, max-age=31536000, immutable' : 'no-cache'))
    return response.end(found)
  }
  if (isAsset) {
    response.writeHead(404, headers('text/plain', 'no-store'))
    return response.end()
  }
  const shell = await tryFile('/index.html')
  response.writeHead(shell ? 200 : 503, headers(TYPES['.html'], 'no-cache'))
  response.end(shell ?? 'no dist/: run `npm run build`')
}
