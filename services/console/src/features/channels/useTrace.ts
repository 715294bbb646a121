// A trace: what happens in an app, newest first, of which so many are kept. Paused, it goes on to be
// read, and what comes is counted, so that nothing moves under the eyes.
import { computed, onScopeDispose, ref, shallowRef, type ComputedRef, type Ref, type ShallowRef } from 'vue'
import { openTrace, type TraceEvent, type TraceFilter } from '@/api/channels'
import { serverEvents } from '@/api/events'
import { Problem, problemFrom, problemOf } from '@/api/problem'

export const KEPT = 500
/** Between two drawings: a page that changes with every event cannot be read. */
const DRAW_MS = 100

export interface Row {
  id: number
  event: TraceEvent
}

export interface Trace {
  rows: ShallowRef<Row[]>
  running: Ref<boolean>
  paused: Ref<boolean>
  /** That came while it was paused. */
  held: Ref<number>
  leftOut: Ref<number>
  problem: ShallowRef<Problem | null>
  empty: ComputedRef<boolean>
  start: (app: string, filter: TraceFilter) => Promise<void>
  stop: () => void
  pause: (on: boolean) => void
  clear: () => void
}

export type Open = (app: string, filter: TraceFilter, signal: AbortSignal) => Promise<ReadableStream<Uint8Array>>

function refusal(data: string): Problem {
  const said: unknown = JSON.parse(data)
  const status = typeof said === 'object' && said !== null && 'status' in said ? Number(said.status) : 500
  return problemFrom(status, said)
}

export function useTrace(open: Open = openTrace): Trace {
  const rows = shallowRef<Row[]>([])
  const running = ref(false)
  const paused = ref(false)
  const held = ref(0)
  const leftOut = ref(0)
  const problem = shallowRef<Problem | null>(null)
  let coming: Row[] = []
  let next = 0
  let abort: AbortController | null = null
  let timer: ReturnType<typeof setTimeout> | null = null

  function draw(): void {
    timer = null
    if (paused.value) {
      held.value = coming.length
      return
    }
    rows.value = [...coming, ...rows.value].slice(0, KEPT)
    coming = []
    held.value = 0
  }

  function take(event: TraceEvent): void {
    leftOut.value += event.left_out
    if (event.kind === 'REALTIME_TRACE_KIND_LEFT_OUT') return
    coming.unshift({ id: (next += 1), event })
    coming.length = Math.min(coming.length, KEPT)
    timer ??= setTimeout(draw, DRAW_MS)
  }

  async function start(app: string, filter: TraceFilter): Promise<void> {
    abort?.abort()
    const mine = (abort = new AbortController())
    clear()
    problem.value = null
    running.value = true
    try {
      for await (const { event, data } of serverEvents(await open(app, filter, mine.signal))) {
        if (mine.signal.aborted) return
        if (event === 'error') throw refusal(data)
        take(JSON.parse(data) as TraceEvent)
      }
      if (!mine.signal.aborted) problem.value = new Problem(0, 'console.trace_ended', 'The trace has ended', 'The server closed it. Begin it again.', '')
    } catch (thrown) {
      if (!mine.signal.aborted) problem.value = problemOf(thrown)
    } finally {
      if (abort === mine) {
        abort = null
        running.value = false
      }
    }
  }

  function stop(): void {
    abort?.abort()
    abort = null
    running.value = false
  }

  function pause(on: boolean): void {
    paused.value = on
    if (!on) draw()
  }

  function clear(): void {
    rows.value = []
    coming = []
    held.value = leftOut.value = 0
  }

  onScopeDispose(() => {
    stop()
    if (timer) clearTimeout(timer)
  })
  return { rows, running, paused, held, leftOut, problem, empty: computed(() => rows.value.length === 0 && held.value === 0), start, stop, pause, clear }
}
