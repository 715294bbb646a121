// A list that is read page by page: each page names the next one, and nothing is counted.
import { computed, onScopeDispose, ref, shallowRef, watch, type ComputedRef, type Ref, type ShallowRef } from 'vue'
import { problemOf, type Problem } from '@/api/problem'

const SKELETON_AFTER_MS = 150

export interface Slice<T> {
  rows: T[]
  nextToken: string
}

export interface Keyset<T> {
  rows: ShallowRef<T[] | null>
  problem: ShallowRef<Problem | null>
  waiting: Ref<boolean>
  busy: Ref<boolean>
  hasMore: ComputedRef<boolean>
  reload: () => Promise<void>
  refresh: () => Promise<void>
  more: () => Promise<void>
}

/**
 * Loads the first page now, on `reload` and when `key` changes; `more` adds the next one.
 * `refresh` is for polling: it reads again what is one page, unless something is being read.
 */
export function useKeyset<T>(load: (token: string) => Promise<Slice<T>>, key?: () => unknown): Keyset<T> {
  const rows = shallowRef<T[] | null>(null)
  const problem = shallowRef<Problem | null>(null)
  const waiting = ref(false)
  const busy = ref(false)
  const next = ref('')
  let turn = 0
  let isLong = false

  async function fetchPage(token: string): Promise<void> {
    const mine = ++turn
    busy.value = true
    const timer = setTimeout(() => (waiting.value = rows.value === null), SKELETON_AFTER_MS)
    try {
      const slice = await load(token)
      if (mine !== turn) return
      rows.value = token && rows.value ? [...rows.value, ...slice.rows] : slice.rows
      next.value = slice.nextToken
      isLong = token !== ''
      problem.value = null
    } catch (thrown) {
      if (mine === turn) problem.value = problemOf(thrown)
    } finally {
      clearTimeout(timer)
      if (mine === turn) busy.value = waiting.value = false
    }
  }
  const reload = () => fetchPage('')
  // A longer list is not thrown back to its first page.
  const refresh = async () => void (rows.value && !isLong && !busy.value && (await reload()))
  const more = async () => void (next.value && !busy.value && (await fetchPage(next.value)))

  watch(
    () => key?.(),
    () => {
      rows.value = null
      void reload()
    },
  )
  onScopeDispose(() => (turn += 1))
  void reload()
  return { rows, problem, waiting, busy, hasMore: computed(() => next.value !== ''), reload, refresh, more }
}
