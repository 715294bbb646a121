// The token of a link from a mail. It stands behind # so that no server and no log sees it; it is
// kept in memory for as long as the page lives, so that a way through sign-in does not lose it.
import { shallowRef } from 'vue'

const held = new Map<string, string>()

/** The token that the page at this path was opened with; empty when there is none. */
export function useLinkToken(path: string) {
  const fresh = location.pathname === path ? decodeURIComponent(location.hash.slice(1)) : ''
  if (fresh) held.set(path, fresh)
  return shallowRef(held.get(path) ?? '')
}

/** The link was used: out of memory, and out of the address. */
export function dropLinkToken(path: string): void {
  held.delete(path)
  if (location.pathname === path) history.replaceState(history.state, '', path)
}
