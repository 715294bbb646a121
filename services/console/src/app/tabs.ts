// All tabs of a browser share one session. When it becomes another one, in another tenant or of
// another person, a tab that shows the one before must not go on with it: it loads itself anew.
import type { Me } from '@/api/types'

const who = (me: Me) => `${me.principalId} ${me.tenantId}`

// One object for both: a channel hears the others of its name, also those of its own page.
let channel: BroadcastChannel | null = null
const tabs = () => (channel ??= new BroadcastChannel('yard.session'))

/** Tells the other tabs whose session it is now. */
export function tellTabs(me: Me): void {
  tabs().postMessage(who(me))
}

/** Calls `leave` when another tab opened a session that is not the one shown here. */
export function watchTabs(shown: () => Me | null, leave: () => void): void {
  tabs().addEventListener('message', ({ data }: MessageEvent<unknown>) => {
    const me = shown()
    if (me && data !== who(me)) leave()
  })
}
