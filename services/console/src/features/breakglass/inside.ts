// Whether this session is in a tenant by break-glass, and how it comes out again.
import { computed, ref, shallowRef } from 'vue'
import { leaveTenant, type BreakGlass } from '@/api/breakGlass'
import { explainOwn } from '@/api/rights'
import { time } from '@/api/wire'
import { useSession } from '@/features/session/store'

/** How `me` calls the role of such a session. */
const ROLE = 'break-glass'

/** The entry, when it was made since the page was loaded. */
const entry = shallowRef<BreakGlass | null>(null)
/** When it ends by itself; null when that is not known here. */
const until = ref<number | null>(null)

export function useInside() {
  const session = useSession()
  const inside = computed(() => session.me?.role === ROLE)

  async function begun(made: BreakGlass): Promise<void> {
    entry.value = made
    until.value = time(made.expires_at)
    await session.reload()
  }

  /** After the page was loaded anew: a decision about what was stated knows how long it stands. */
  async function learn(): Promise<void> {
    const held = session.me?.permissions[0]
    if (!inside.value || until.value !== null || !held) return
    until.value = time((await explainOwn(held)).stands_until)
  }

  /** Looks whether it still lasts: its time may be over, or an owner may have ended it. */
  async function check(): Promise<boolean> {
    await session.reload()
    if (!inside.value) forget()
    return inside.value
  }

  async function leave(): Promise<void> {
    await leaveTenant()
    await check()
  }

  function forget(): void {
    entry.value = null
    until.value = null
  }

  return { inside, entry, until, begun, learn, check, leave }
}
