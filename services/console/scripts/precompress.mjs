// Writes a .br and a .gz beside every text file of the build, so that the gateway only picks one.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

const dist = new URL('../dist/', import.meta.url)
const TEXT = /\.(js|css|html|svg|webmanifest|json)$/
let files = 0

for (const name of readdirSync(dist, { recursive: true })) {
  if (!TEXT.test(name)) continue
  const url = new URL(name, dist)
  const body = readFileSync(url)
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: body.length }
  writeFileSync(`${fileURLToPath(url)}.br`, brotliCompressSync(body, { params }))
  writeFileSync(`${fileURLToPath(url)}.gz`, gzipSync(body, { level: 9 }))
  files += 1
}
console.log(`precompressed ${files} files`)
