/**
 * An answer shows its subject as it was when the server read it, so a change that was heard while
 * the answer was on its way may be newer. It is put into the answer, or the page would show the
 * older state until it asks again.
 */
export function overtaking<C>(): {
  heard: (changes: C[]) => void
  ask: <A>(load: () => Promise<A>, put: (answer: A, changes: C[]) => A) => Promise<A>
} {
  const onTheWay = new Set<C[]>()
  return {
    heard(changes) {
      for (const list of onTheWay) list.push(...changes)
    },
    async ask(load, put) {
      const changes: C[] = []
      onTheWay.add(changes)
      try {
        return put(await load(), changes)
      } finally {
        onTheWay.delete(changes)
      }
    },
  }
}
