import { computed, onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { getSeries, latestReading } from '@/api/calls'
import { problemOf, type Problem } from '@/api/problem'
import type { Metric, Reading } from '@/api/types'
import type { TelemetryEvent } from '@/live/events'
import type { Columns } from '@/ui/chart'
import type { DeviceFeed } from './feed'
import { SeriesBuffer, type Range } from './series'

const SKELETON_AFTER_MS = 150
const CORRECTION_MS = 60_000

/** History of every metric in the range, then live readings; and the newest reading. */
export function useTelemetry(deviceId: string, seen: () => boolean, metrics: Metric[], range: Ref<Range>, feed: DeviceFeed) {
  const columns = shallowRef<Record<string, Columns>>({})
  const latest = shallowRef<Reading | null>(null)
  const problem = shallowRef<Problem | null>(null)
  const waiting = ref(false)
  const loaded = ref(false)
  const end = ref(Date.now())
  const window = computed(() => ({ from: end.value - range.value.ms, to: end.value }))
  let buffers = new Map<string, SeriesBuffer>()
  let turn = 0

  async function history(from: number, to: number): Promise<Map<string, SeriesBuffer>> {
    const width = range.value.ms / range.value.buckets
    const made = await Promise.all(
      metrics.map(async ({ key }) => {
        const found = await getSeries(deviceId, key, from, to, range.value.buckets)
        return [key, new SeriesBuffer(from, width, found)] as const
      }),
    )
    return new Map(made)
  }

  /** Not asked of a device that was never heard: there is none, and a refusal would be noise. */
  const newestReading = async () => (seen() ? latestReading(deviceId) : null)

  /** Live readings that arrive while history is on its way; added once it is there. */
  let early: TelemetryEvent[] | null = null

  async function load(): Promise<void> {
    const mine = ++turn
    early = []
    const to = Date.now()
    try {
      const [made, newest] = await Promise.all([history(to - range.value.ms, to), newestReading()])
      if (mine !== turn) return
      buffers = made
      if (newest && newest.occurredAt >= (latest.value?.occurredAt ?? 0)) latest.value = newest
      for (const event of early ?? []) fold(event)
      problem.value = null
      loaded.value = true
    } catch (thrown) {
      if (mine === turn) problem.value = problemOf(thrown)
    } finally {
      if (mine === turn) {
        early = null
        publish()
      }
    }
  }

  async function reload(): Promise<void> {
    const timer = setTimeout(() => (waiting.value = !loaded.value), SKELETON_AFTER_MS)
    await load()
    clearTimeout(timer)
    waiting.value = false
  }

  function fold(event: TelemetryEvent): void {
    for (const [key, buffer] of buffers) {
      const value = event.values[key]
      if (typeof value === 'number') buffer.add(event.occurredAt, value)
    }
    if (event.occurredAt >= (latest.value?.occurredAt ?? 0)) latest.value = event
  }

  function publish(): void {
    end.value = Date.now()
    const next: Record<string, Columns> = {}
    for (const [key, buffer] of buffers) {
      buffer.dropBefore(window.value.from)
      next[key] = buffer.columns()
    }
    columns.value = next
  }

  feed.telemetry.listen((batch) => {
    early?.push(...batch)
    for (const event of batch) fold(event)
    if (range.value.ms <= 3_600_000) publish()
  })
  feed.joined.listen((again) => again && void load())

  // The window slides with the clock: each second where a second can be seen, else rarely.
  const slide = setInterval(() => document.visibilityState === 'visible' && publish(), 1000)
  const correct = setInterval(() => document.visibilityState === 'visible' && void load(), CORRECTION_MS)
  onScopeDispose(() => {
    turn += 1
    clearInterval(slide)
    clearInterval(correct)
  })

  watch(range, () => {
    buffers = new Map()
    void reload()
  })
  void reload()
  return { columns, latest, problem, waiting, loaded, window, reload }
}
