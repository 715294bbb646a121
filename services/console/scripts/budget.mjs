// Fails when a page would make people download more than agreed. Walks Vite's manifest per route:
// what the route imports statically, on top of the shell, counts as its initial JavaScript.
import { readFileSync, readdirSync, rmSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const KB = 1024
const LIMITS = { shell: 80 * KB, route: 125 * KB, chunk: 40 * KB, css: 25 * KB, fonts: 60 * KB }
const dist = new URL('../dist/', import.meta.url)
const manifestFile = new URL('.vite/manifest.json', dist)

let manifest
try {
  manifest = JSON.parse(readFileSync(manifestFile, 'utf8'))
} catch {
  console.error('budget: no dist/.vite/manifest.json; run `npm run build:raw` first')
  process.exit(1)
}

const sizes = new Map()
function gz(file) {
  if (!sizes.has(file)) sizes.set(file, gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length)
  return sizes.get(file)
}

/** Every chunk a chunk needs before it can run, itself included. */
function closure(key, seen = new Set()) {
  if (seen.has(key)) return seen
  seen.add(key)
  for (const next of manifest[key].imports ?? []) closure(next, seen)
  return seen
}
const js = (keys) => [...keys].reduce((sum, key) => sum + gz(manifest[key].file), 0)
const css = (keys) => [...new Set([...keys].flatMap((key) => manifest[key].css ?? []))].reduce((sum, file) => sum + gz(file), 0)

const entry = Object.keys(manifest).find((key) => manifest[key].isEntry)
const shell = closure(entry)
const rows = [['shell', js(shell), LIMITS.shell]]
for (const [key, chunk] of Object.entries(manifest)) {
  if (!chunk.isDynamicEntry) continue
  const all = closure(key, new Set(shell))
  const own = js([...all].filter((one) => !shell.has(one)))
  if (/Page\.vue$|SignIn\.vue$/.test(key)) {
    rows.push([`route ${key.split('/').pop()}`, js(all), LIMITS.route], [`css ${key.split('/').pop()}`, css(all), LIMITS.css])
  } else {
    rows.push([`lazy ${key.split('/').pop()}`, own, LIMITS.chunk])
  }
}
const fonts = readdirSync(new URL('assets/', dist)).filter((name) => name.endsWith('.woff2'))
rows.push(['fonts', fonts.reduce((sum, name) => sum + readFileSync(new URL(`assets/${name}`, dist)).length, 0), LIMITS.fonts])

let over = 0
for (const [name, size, limit] of rows) {
  const bad = size > limit
  if (bad) over += 1
  console.log(`${bad ? 'OVER' : 'ok  '} ${name.padEnd(28)} ${(size / KB).toFixed(1).padStart(6)} of ${limit / KB} kB`)
}
// It lists every file of the build and must not be served.
rmSync(new URL('.vite/', dist), { recursive: true })
if (over) {
  console.error(`budget: ${over} over`)
  process.exit(1)
}
