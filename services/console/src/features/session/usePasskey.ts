// Signing in with a passkey: by a button, or out of what the browser fills in.
import { onScopeDispose, ref } from 'vue'
import { beginPasskeySignIn, passkeySignIn } from '@/api/passkeys'
import { Problem, problemOf } from '@/api/problem'
import { canFillIn, hasPasskeys, showPasskey, type Assertion } from '@/app/webauthn'
import { useSession } from './store'

/** A little before the challenge ends. */
const MARGIN_MS = 10_000

export function usePasskey(tenant: () => string, done: () => Promise<unknown>, failed: (problem: Problem) => void) {
  const session = useSession()
  const offered = ref(hasPasskeys())
  /** What the authenticator said, when only the tenant was missing. */
  let held: { token: string; assertion: Assertion } | null = null
  let filling: AbortController | null = null
  let timer: ReturnType<typeof setTimeout> | undefined

  async function send(token: string, assertion: Assertion): Promise<void> {
    held = null
    try {
      session.enter(await passkeySignIn(token, assertion, tenant()))
    } catch (thrown) {
      const problem = problemOf(thrown)
      if (problem.pointer === '/tenant') held = { token, assertion }
      throw problem
    }
    await done()
  }

  /** The browser holds on to one question at a time. */
  function stopFilling(): void {
    clearTimeout(timer)
    filling?.abort()
    filling = null
  }

  /** Offers passkeys in the field for the address, for as long as the page stays. */
  async function fillIn(): Promise<void> {
    if (!(await canFillIn())) return
    const mine = (filling = new AbortController())
    let challenge
    try {
      challenge = await beginPasskeySignIn()
    } catch (thrown) {
      // Where there is no domain name there are no passkeys.
      if (problemOf(thrown).code === 'request.invalid') offered.value = false
      return
    }
    if (mine.signal.aborted) return
    timer = setTimeout(() => {
      mine.abort()
      void fillIn()
    }, Math.max(MARGIN_MS, Date.parse(challenge.expires_at ?? '') - Date.now() - MARGIN_MS) || 120_000)
    const assertion = await showPasskey(challenge.options ?? EMPTY, { mediation: 'conditional', signal: mine.signal }).catch(() => null)
    if (mine.signal.aborted || !assertion) return
    stopFilling()
    await send(challenge.challenge_token, assertion).catch((thrown: unknown) => {
      failed(problemOf(thrown))
      if (!held) void fillIn()
    })
  }

  async function use(): Promise<void> {
    stopFilling()
    try {
      if (held && tenant()) return await send(held.token, held.assertion)
      const challenge = await beginPasskeySignIn()
      await send(challenge.challenge_token, await showPasskey(challenge.options ?? EMPTY))
    } catch (thrown) {
      failed(problemOf(thrown))
      if (!held) void fillIn()
    }
  }

  onScopeDispose(stopFilling)
  void fillIn()
  return { offered, use, stopFilling }
}

const EMPTY = { challenge: '', rp_id: '', allow_credentials: [], timeout: 60_000, user_verification: 'required' }
