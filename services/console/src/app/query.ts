// One request with its states. Kept by the page that shows it; no cache between pages.
import { onScopeDispose, ref, shallowRef, watch, type Ref, type ShallowRef } from 'vue'
import { problemOf, type Problem } from '@/api/problem'

const SKELETON_AFTER_MS = 150

export interface Query<T> {
  data: ShallowRef<T | null>
  problem: ShallowRef<Problem | null>
  /** A first load that has taken long enough to show that it is one. */
  waiting: Ref<boolean>
  busy: Ref<boolean>
  reload: () => Promise<void>
  /** Takes what is known otherwise, such as a change's answer: newer than any answer on its way. */
  put: (known: T) => void
}

/**
 * Loads now, on `reload`, and when `key` changes. A later answer always wins over an earlier one;
 * data stays on the page while it is loaded again, and when that fails.
 */
export function useQuery<T>(load: () => Promise<T>, key?: () => unknown): Query<T> {
  const data = shallowRef<T | null>(null)
  const problem = shallowRef<Problem | null>(null)
  const waiting = ref(false)
  const busy = ref(false)
  let turn = 0

  async function reload(): Promise<void> {
    const mine = ++turn
    busy.value = true
    const timer = setTimeout(() => (waiting.value = data.value === null), SKELETON_AFTER_MS)
    try {
      const answer = await load()
      if (mine !== turn) return
      data.value = answer
      problem.value = null
    } catch (thrown) {
      if (mine === turn) problem.value = problemOf(thrown)
    } finally {
      clearTimeout(timer)
      if (mine === turn) {
        busy.value = false
        waiting.value = false
      }
    }
  }

  function put(known: T): void {
    turn += 1
    data.value = known
    problem.value = null
    busy.value = false
    waiting.value = false
  }

  watch(
    () => key?.(),
    () => {
      data.value = null
      void reload()
    },
  )
  onScopeDispose(() => (turn += 1))
  void reload()
  return { data, problem, waiting, busy, reload, put }
}

/** Repeats while the page is visible; stops with the component. */
export function usePolling(run: () => void, everyMs: number): void {
  const timer = setInterval(() => {
    if (document.visibilityState === 'visible') run()
  }, everyMs)
  onScopeDispose(() => clearInterval(timer))
}
