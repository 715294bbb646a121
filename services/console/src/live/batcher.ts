/**
 * Gathers items and hands them over once per animation frame, in order, so that a burst of events
 * costs one redraw. While the page is hidden no frame comes; then at most `limit` newest are kept.
 */
export function batcher<T>(
  flush: (items: T[]) => void,
  limit = 1000,
  frame: (run: () => void) => number = requestAnimationFrame,
  drop: (id: number) => void = cancelAnimationFrame,
): { push: (item: T) => void; stop: () => void } {
  let items: T[] = []
  let pending: number | null = null
  const run = () => {
    pending = null
    const batch = items
    items = []
    flush(batch)
  }
  return {
    push(item) {
      items.push(item)
      if (items.length > limit) items = items.slice(-limit)
      pending ??= frame(run)
    },
    stop() {
      if (pending !== null) drop(pending)
      pending = null
      items = []
    },
  }
}
