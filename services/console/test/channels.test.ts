import { effectScope } from 'vue'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Channel, TraceEvent } from '@/api/channels'
import { Problem } from '@/api/problem'
import { useChannelList } from '@/features/channels/channelList'
import { faultsOf } from '@/features/channels/testEvent'
import { KEPT, useTrace, type Open } from '@/features/channels/useTrace'
import { coverageWords, dataWords, isCut, kindWord, rateWords } from '@/features/channels/words'
import { sparkPath } from '@/ui/spark'

const channel = (name: string, subscriptions = 1) => ({ name, kind: 'REALTIME_CHANNEL_KIND_PUBLIC', cache: false, subscription_count: subscriptions, user_count: 0, messages_per_second: 0, messages: [] }) as Channel

const event = (part: Partial<TraceEvent>) => ({
  at: '2026-12-01T10:00:00Z', kind: 'REALTIME_TRACE_KIND_EVENT', channel: 'a', event: 'e', socket_id: '', user_id: '', data: '', data_bytes: 0, withheld: 'REALTIME_DATA_WITHHELD_UNSPECIFIED', left_out: 0, ...part,
}) as TraceEvent

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
}

describe('list of channels', () => {
  const names = Array.from({ length: 7 }, (_, n) => `c${n}`)
  const paged = (all: string[], size = 3) => vi.fn(async (_app: string, prefix: string, token: string) => {
    const from = Number(token || 0)
    const fit = all.filter((name) => name.startsWith(prefix))
    return { rows: fit.slice(from, from + size).map((name) => channel(name)), nextToken: from + size < fit.length ? String(from + size) : '' }
  })
  const inScope = <T>(make: () => T): T => effectScope().run(make)!

  it('loads what comes into view, and a placeholder stands for what is behind', async () => {
    const load = paged(names)
    const list = inScope(() => useChannelList(load))
    await list.start('1', '')
    expect([list.count.value, list.complete.value, list.at(3)]).toEqual([4, false, undefined])
    list.see(0, 3)
    await settled()
    expect([list.count.value, list.at(3)?.name]).toEqual([7, 'c3'])
    list.see(4, 6)
    await settled()
    expect([list.count.value, list.complete.value]).toEqual([7, true])
    expect(load).toHaveBeenCalledTimes(3)
  })
  it('forgets what stood behind a page whose end has moved', async () => {
    const all = [...names]
    const list = inScope(() => useChannelList(paged(all)))
    await list.start('1', '')
    list.see(0, 6)
    await settled()
    all.length = 2
    await list.refresh()
    expect([list.count.value, list.complete.value, list.at(2)]).toEqual([2, true, undefined])
  })
  it('keeps its rows when it cannot be read again, and says why', async () => {
    const load = paged(names)
    const list = inScope(() => useChannelList(load))
    await list.start('1', 'c')
    load.mockRejectedValueOnce(new Problem(503, 'service.unavailable', 'Away', '', ''))
    await list.refresh()
    expect([list.problem.value?.code, list.at(0)?.name]).toEqual(['service.unavailable', 'c0'])
    await list.refresh()
    expect(list.problem.value).toBeNull()
  })
  it('shows nothing of an app that was left meanwhile', async () => {
    let answer = (_rows: Channel[]) => {}
    const load = vi.fn((app: string) => (app === '1' ? new Promise<{ rows: Channel[]; nextToken: string }>((resolve) => (answer = (rows) => resolve({ rows, nextToken: '' }))) : Promise.resolve({ rows: [channel('new')], nextToken: '' })))
    const list = inScope(() => useChannelList(load))
    void list.start('1', '')
    await list.start('2', '')
    answer([channel('old')])
    await settled()
    expect(list.at(0)?.name).toBe('new')
  })
})

describe('trace', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  function traced() {
    let source: ReadableStreamDefaultController<Uint8Array> | null = null
    const open = vi.fn<Open>(async () => new ReadableStream<Uint8Array>({ start: (at) => void (source = at) }))
    const trace = effectScope().run(() => useTrace(open))!
    const say = async (part: Partial<TraceEvent>, name = 'message') => {
      source?.enqueue(new TextEncoder().encode(`event: ${name}\ndata: ${JSON.stringify(name === 'message' ? event(part) : part)}\n\n`))
      await vi.advanceTimersByTimeAsync(150)
    }
    return { trace, open, say, end: () => source?.close() }
  }
  const filter = { prefix: '', event: '', kinds: [], withData: false }

  it('shows the newest first and keeps so many', async () => {
    const { trace, say } = traced()
    void trace.start('1', filter)
    await vi.advanceTimersByTimeAsync(0)
    await say({ event: 'first' })
    await say({ event: 'second' })
    expect(trace.rows.value.map((row) => row.event.event)).toEqual(['second', 'first'])
    for (let n = 0; n < KEPT; n += 1) await say({ event: `${n}` })
    expect([trace.rows.value.length, trace.rows.value[0]?.event.event]).toEqual([KEPT, `${KEPT - 1}`])
  })
  it('holds what comes while it is paused, and shows it then', async () => {
    const { trace, say } = traced()
    void trace.start('1', filter)
    await vi.advanceTimersByTimeAsync(0)
    trace.pause(true)
    await say({ event: 'held' })
    expect([trace.rows.value.length, trace.held.value]).toEqual([0, 1])
    trace.pause(false)
    expect([trace.rows.value.length, trace.held.value]).toEqual([1, 0])
  })
  it('counts what was left out, on an event or alone', async () => {
    const { trace, say } = traced()
    void trace.start('1', filter)
    await vi.advanceTimersByTimeAsync(0)
    await say({ left_out: 3 })
    await say({ kind: 'REALTIME_TRACE_KIND_LEFT_OUT', left_out: 4 })
    expect([trace.leftOut.value, trace.rows.value.length]).toEqual([7, 1])
  })
  it('says that and why it has ended', async () => {
    const refused = traced()
    void refused.trace.start('1', filter)
    await vi.advanceTimersByTimeAsync(0)
    await refused.say({ status: 404, code: 'resource.not_found', title: 'Gone' } as never, 'error')
    expect([refused.trace.running.value, refused.trace.problem.value?.code]).toEqual([false, 'resource.not_found'])
    const cut = traced()
    void cut.trace.start('1', filter)
    await vi.advanceTimersByTimeAsync(0)
    cut.end()
    await vi.advanceTimersByTimeAsync(0)
    expect([cut.trace.running.value, cut.trace.problem.value?.code]).toEqual([false, 'console.trace_ended'])
  })
  it('that is begun anew is another one', async () => {
    const { trace, open, say } = traced()
    void trace.start('1', filter)
    await vi.advanceTimersByTimeAsync(0)
    await say({})
    void trace.start('2', { ...filter, prefix: 'b' })
    await vi.advanceTimersByTimeAsync(0)
    expect([trace.rows.value.length, trace.running.value, open.mock.calls[0]?.[2].aborted, open.mock.calls[1]?.[0]]).toEqual([0, true, true, '2'])
    trace.stop()
    expect(trace.running.value).toBe(false)
  })
})

describe('words', () => {
  it('say what is not shown, and why', () => {
    expect(dataWords(event({ withheld: 'REALTIME_DATA_WITHHELD_ENCRYPTED', data_bytes: 6 }))).toBe('6 bytes, which only its clients can read')
    expect(dataWords(event({ withheld: 'REALTIME_DATA_WITHHELD_NOT_ASKED', data_bytes: 1 }))).toBe('1 byte')
    expect(dataWords(event({ data: 'x', data_bytes: 1 }))).toBe('x')
    expect(isCut(event({ data: 'ä', data_bytes: 2 }))).toBe(false)
    expect(isCut(event({ data: 'ä', data_bytes: 3 }))).toBe(true)
  })
  it('tell of numbers that are too small, and of no others', () => {
    expect(coverageWords({ answered: 2, known: 2 })).toBe('')
    expect(coverageWords({ answered: 1, known: 2 })).toMatch(/^Only 1 of 2 instances/)
    expect(coverageWords({ answered: 1, known: 0 })).toMatch(/not known/)
    expect(coverageWords(undefined)).toBe('')
  })
  it('write rates in few characters', () => expect([0, 0.14, 9.96, 1240].map(rateWords)).toEqual(['0', '0.1', '10', '1,240']))
  it('name a kind', () => expect(kindWord({ kind: 'REALTIME_CHANNEL_KIND_PRESENCE', cache: true })).toBe('Presence, keeps its last event'))
})

describe('test event', () => {
  const faults = (part: object) => Object.keys(faultsOf({ channel: 'a', event: 'e', data: '', ...part }))
  it.each([{}, { channel: 'x'.repeat(200), event: 'é'.repeat(200) }, { channel: '#server-to-user-7' }])('%o is sent', (part) => expect(faults(part)).toEqual([]))
  it.each([{ channel: '' }, { channel: 'a b' }, { channel: 'x'.repeat(201) }, { channel: 'private-encrypted-a' }])('%o has a faulty channel', (part) => expect(faults(part)).toEqual(['channel']))
  it.each([{ event: '' }, { event: 'x'.repeat(201) }, { event: 'pusher:ping' }, { event: 'pusher_internal:x' }])('%o has a faulty name', (part) => expect(faults(part)).toEqual(['event']))
})

describe('sparkline', () => {
  it('runs from zero to its largest value', () => expect(sparkPath([0, 2, 1], 10, 10)).toBe('M0 9.5L5 1.5L10 5.5'))
  it('is none of nothing', () => expect([sparkPath([], 10, 10), sparkPath([0, 0], 10, 10)]).toEqual(['', '']))
})
