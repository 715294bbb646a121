// An app's channels as one long list, of which pages are loaded when they come into view. Nobody
// counts them beforehand: behind the last one that is loaded stands a placeholder while there are more.
import { computed, onScopeDispose, ref, shallowRef, type ComputedRef, type Ref, type ShallowRef } from 'vue'
import { listChannels, type Channel } from '@/api/channels'
import { problemOf, type Problem } from '@/api/problem'
import type { Slice } from '@/app/keyset'

const SKELETON_AFTER_MS = 150

export type LoadChannels = (app: string, prefix: string, token: string, signal?: AbortSignal) => Promise<Slice<Channel>>

export interface ChannelList {
  count: ComputedRef<number>
  problem: ShallowRef<Problem | null>
  waiting: Ref<boolean>
  ready: Ref<boolean>
  complete: ComputedRef<boolean>
  at: (index: number) => Channel | undefined
  start: (app: string, prefix: string) => Promise<void>
  see: (first: number, last: number) => void
  refresh: () => Promise<void>
}

interface Page {
  token: string
  rows: Channel[]
  next: string
}

export function useChannelList(load: LoadChannels = listChannels): ChannelList {
  const pages = shallowRef<Page[]>([])
  const problem = shallowRef<Problem | null>(null)
  const waiting = ref(false)
  const ready = ref(false)
  let of = { app: '', prefix: '' }
  let abort = new AbortController()
  let wanted = { first: 0, last: 0 }
  let busy = false

  const rows = computed(() => pages.value.flatMap((page) => page.rows))
  const complete = computed(() => (pages.value.at(-1)?.next ?? '') === '')
  const count = computed(() => rows.value.length + (complete.value ? 0 : 1))

  async function read(token: string, signal: AbortSignal): Promise<Page> {
    const slice = await load(of.app, of.prefix, token, signal)
    return { token, rows: slice.rows, next: slice.nextToken }
  }

  async function start(app: string, prefix: string): Promise<void> {
    abort.abort()
    abort = new AbortController()
    const { signal } = abort
    of = { app, prefix }
    wanted = { first: 0, last: 0 }
    busy = false
    const timer = setTimeout(() => (waiting.value = true), SKELETON_AFTER_MS)
    try {
      const first = await read('', signal)
      if (signal.aborted) return
      pages.value = [first]
      problem.value = null
      ready.value = true
    } catch (thrown) {
      if (!signal.aborted) problem.value = problemOf(thrown)
    } finally {
      clearTimeout(timer)
      if (!signal.aborted) waiting.value = false
    }
  }

  /** Loads page after page until what is in view is there. */
  async function fill(): Promise<void> {
    if (busy) return
    busy = true
    const { signal } = abort
    try {
      while (!signal.aborted && !complete.value && wanted.last >= rows.value.length) {
        const page = await read(pages.value.at(-1)?.next ?? '', signal)
        if (!signal.aborted) pages.value = [...pages.value, page]
      }
    } catch (thrown) {
      if (!signal.aborted) problem.value = problemOf(thrown)
    } finally {
      if (!signal.aborted) busy = false
    }
  }

  function see(first: number, last: number): void {
    wanted = { first, last }
    void fill()
  }

  /** Takes the pages in view again, quietly. A page whose end has moved is followed by those behind it. */
  async function refresh(): Promise<void> {
    if (!ready.value) return start(of.app, of.prefix)
    if (busy) return
    busy = true
    const { signal } = abort
    try {
      const kept = [...pages.value]
      let offset = 0
      for (let index = 0; index < kept.length; index += 1) {
        const held = kept[index]!
        const first = offset
        offset += held.rows.length
        const inView = offset > wanted.first && first <= wanted.last
        if (!inView && index !== 0) continue
        const fresh = await read(held.token, signal)
        if (signal.aborted) return
        kept[index] = fresh
        // What stood behind began at another place.
        if (fresh.next !== held.next) kept.length = index + 1
      }
      pages.value = kept
      problem.value = null
    } catch (thrown) {
      if (!signal.aborted) problem.value = problemOf(thrown)
    } finally {
      if (!signal.aborted) busy = false
    }
    if (!signal.aborted && problem.value === null) void fill()
  }

  onScopeDispose(() => abort.abort())
  return { count, problem, waiting, ready, complete, at: (index) => rows.value[index], start, see, refresh }
}
