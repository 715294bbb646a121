// The token of a link from a mail. It stands behind # so that no server and no log sees it; it is
// kept in memory for as long as the page lives, so that a way through sign-in does not lose it.
import { onScopeDispose, shallowRef } from 'vue'
import type { Router } from 'vue-router'

const held = new Map<string, string>()

/** The token that the page at this path was opened with; empty when there is none. */
export function useLinkToken(path: string) {
  // Base64url has nothing that an address would encode.
  const fresh = location.pathname === path ? location.hash.slice(1) : ''
  if (fresh) held.set(path, fresh)
  reloadOnNewerLink()
  return shallowRef(held.get(path) ?? '')
}

/** A newer link followed in the same tab changes only what stands behind #, which loads nothing. */
function reloadOnNewerLink(): void {
  const again = () => {
    if (location.hash) location.reload()
  }
  addEventListener('hashchange', again)
  onScopeDispose(() => removeEventListener('hashchange', again))
}

/** Out of the address, by the router: it would write what it remembers of it back at its next step. */
export async function hideLinkToken(router: Router, path: string): Promise<void> {
  if (router.currentRoute.value.path === path) await router.replace(path)
}

/** The link was used: out of memory, and out of the address. */
export async function dropLinkToken(router: Router, path: string): Promise<void> {
  held.delete(path)
  await hideLinkToken(router, path)
}
