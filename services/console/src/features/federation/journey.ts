// The way to a provider and back. What the server gave this page for it (`binding`) is kept in the
// tab's own storage until then: whoever is sent the provider's answer without it cannot use it.
import { beginLink, beginSignIn, type Begun } from '@/api/federation'
import { Problem } from '@/api/problem'
import { safeNext } from '@/app/next'

const KEY = 'yard.federation'

export type Why = 'sign-in' | 'link'

export interface Journey {
  why: Why
  provider: string
  binding: string
  /** Where to go on afterwards; null is home. */
  next: string | null
}

async function leave(why: Why, begun: Begun, next: string | null): Promise<void> {
  const { protocol } = new URL(begun.authorization_url)
  if (protocol !== 'https:' && protocol !== 'http:') throw new Problem(0, 'console.unexpected', 'The provider has no usable address', '', '')
  const journey: Journey = { why, provider: begun.provider_id, binding: begun.binding, next }
  sessionStorage.setItem(KEY, JSON.stringify(journey))
  location.assign(begun.authorization_url)
  // Busy until the page is left.
  await new Promise(() => {})
}

/** Comes back only when it was refused. */
export const signInBy = async (provider: string, next: string | null, anew = false): Promise<void> => leave('sign-in', await beginSignIn(provider, anew), next)

export const linkBy = async (provider: string, next: string): Promise<void> => leave('link', await beginLink(provider), next)

/** What this tab went away for, once. */
export function takeJourney(provider: string): Journey | null {
  const kept = sessionStorage.getItem(KEY)
  sessionStorage.removeItem(KEY)
  if (!kept) return null
  const { why, provider: whose, binding, next } = JSON.parse(kept) as Partial<Journey>
  if (whose !== provider || !binding) return null
  return { why: why === 'link' ? 'link' : 'sign-in', provider, binding, next: safeNext(next) }
}
