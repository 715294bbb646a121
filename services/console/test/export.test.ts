import { describe, expect, it, vi } from 'vitest'
import { serverEvents } from '@/api/events'
import { openExport } from '@/api/organization'
import { ExportCheck } from '@/features/organization/check'
import { takeExport } from '@/features/organization/take'
import { exportLines } from './fakes/organization.mjs'

vi.mock('@/api/organization', () => ({ openExport: vi.fn() }))

const devices = Array.from({ length: 5 }, (_, n) => ({ device_id: `d${n}`, name: `Pumpe ${n} ü` }))
function checked(lines: string[]) {
  const check = new ExportCheck()
  for (const line of lines) check.line(line)
  return check.finish()
}

describe('an export', () => {
  it('is whole when every row and its last line agree, with tables that have no rows', () => {
    const manifest = checked(exportLines(devices))
    expect(manifest.relations.map((one) => [one.relation, one.rows])).toContainEqual(['tenant.devices', 5])
    expect(manifest.relations.map((one) => [one.relation, one.rows])).toContainEqual(['tenant.departments', 0])
    expect(manifest.digest).toMatch(/^[0-9a-f]{64}$/)
  })

  it('gives the bytes that were hashed, each line with its line feed', () => {
    const lines = exportLines(devices)
    const check = new ExportCheck()
    const file = lines.map((line) => new TextDecoder().decode(check.line(line))).join('')
    expect(file).toBe(`${lines.join('\n')}\n`)
  })

  const wrong: [string, (lines: string[]) => string[], string][] = [
    ['a row is changed', (lines) => lines.map((line) => line.replace('Pumpe 3', 'Pumpe 4')), 'tenant.devices is not'],
    ['a row is missing', (lines) => lines.filter((line) => !line.includes('Pumpe 3')), 'tenant.devices is not'],
    ['a row is added', (lines) => lines.toSpliced(1, 0, '{"relation":"tenant.stray","row":{}}'), 'tenant.stray is not'],
    ['a table comes twice', (lines) => lines.toSpliced(-1, 0, '{"relation":"tenant.contracts","row":{}}'), 'comes a second time'],
    ['its end is missing', (lines) => lines.slice(0, -1), 'broke off'],
    ['there is more behind its end', (lines) => [...lines, lines[1] ?? ''], 'behind its end'],
    ['its head is another', (lines) => lines.with(0, '{"format":"switchyard-tenant-export/2"}'), 'does not begin'],
    ['a line is none', (lines) => lines.with(2, '{"relation"'), 'cannot be read'],
    ['a line belongs nowhere', (lines) => lines.with(2, '{"row":{}}'), 'no table'],
    ['its head is changed', (lines) => lines.map((line, at) => (at ? line : line.replace('aqua', 'aquo'))), 'its own hash'],
    ['what was left out is hidden', (lines) => lines.map((line) => line.replace('platform.sessions', 'platform.session_')), 'its own hash'],
  ]
  it.each(wrong)('is refused when %s', (_what, change, words) => {
    expect(() => checked(change(exportLines(devices)))).toThrow(words)
  })

  it('is refused when it is empty', () => {
    expect(() => checked([])).toThrow('broke off')
  })
})

async function heard(...chunks: string[]): Promise<[string, string][]> {
  const bytes = chunks.map((chunk) => new TextEncoder().encode(chunk))
  const out: [string, string][] = []
  const stream = new ReadableStream<Uint8Array>({ start: (to) => (bytes.forEach((one) => to.enqueue(one)), to.close()) })
  for await (const one of serverEvents(stream)) out.push([one.event, one.data])
  return out
}

describe('server-sent events', () => {
  it('are put together however they are cut', async () => {
    const whole = ': keepalive\n\nevent: message\ndata: {"a":1}\n\ndata:two\ndata: lines\n\nevent: error\r\ndata: last\r\n\r\n'
    const wanted = [['message', '{"a":1}'], ['message', 'two\nlines'], ['error', 'last']]
    expect(await heard(whole)).toEqual(wanted)
    expect(await heard(...whole)).toEqual(wanted)
  })

  it('that are cut off before their end are none', async () => {
    expect(await heard('data: one\n\ndata: two\n')).toEqual([['message', 'one']])
    expect(await heard()).toEqual([])
  })

  it('keep a character that two chunks share', async () => {
    const [left, right] = [new Uint8Array([0x64, 0x61, 0x74, 0x61, 0x3a, 0xc3]), new Uint8Array([0xbc, 0x0a, 0x0a])]
    const stream = new ReadableStream<Uint8Array>({ start: (to) => (to.enqueue(left), to.enqueue(right), to.close()) })
    const out = []
    for await (const one of serverEvents(stream)) out.push(one.data)
    expect(out).toEqual(['ü'])
  })

  it('stop the sender when nobody listens any more', async () => {
    let cancelled = false
    const stream = new ReadableStream<Uint8Array>({ start: (to) => to.enqueue(new TextEncoder().encode('data: 1\n\n')), cancel: () => void (cancelled = true) })
    for await (const _one of serverEvents(stream)) break
    expect(cancelled).toBe(true)
  })
})

function answering(lines: string[], end = ''): void {
  const chunks = Array.from({ length: Math.ceil(lines.length / 200) }, (_, n) => `event: message\ndata: ${JSON.stringify({ lines: lines.slice(n * 200, n * 200 + 200) })}\n\n`)
  const body = () => new ReadableStream<Uint8Array>({ start: (to) => ([...chunks, end].forEach((one) => to.enqueue(new TextEncoder().encode(one))), to.close()) })
  vi.mocked(openExport).mockImplementation(async () => body())
}

describe('taking an export', () => {
  it('keeps every byte, also of a file of several pieces', { timeout: 30_000 }, async () => {
    const lines = exportLines(Array.from({ length: 700 }, (_, n) => ({ device_id: `d${n}`, name: `ü${'x'.repeat(13_000)}` })))
    answering(lines)
    const told: number[] = []
    const { file, bytes } = await takeExport(new AbortController().signal, (state) => told.push(state.bytes))
    expect(bytes).toBeGreaterThan(8 * 1024 * 1024)
    expect(file.size).toBe(bytes)
    expect((await file.text()) === `${lines.join('\n')}\n`).toBe(true)
    expect(told).toEqual([...told].sort((a, b) => a - b))
    expect(told.at(-1)).toBe(bytes)
  })

  it('is refused with what the server said last, or for breaking off', async () => {
    answering(exportLines(devices).slice(0, 3), `event: error\ndata: ${JSON.stringify({ status: 503, code: 'service.draining', title: 'The service is shutting down', detail: '', instance: 'inc_1' })}\n\n`)
    await expect(takeExport(new AbortController().signal, () => {})).rejects.toMatchObject({ status: 503, code: 'service.draining', incident: 'inc_1' })
    answering(exportLines(devices).slice(0, 3))
    await expect(takeExport(new AbortController().signal, () => {})).rejects.toMatchObject({ code: 'console.export_invalid', detail: expect.stringContaining('broke off') })
  })
})
