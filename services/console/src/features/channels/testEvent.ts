// What keeps a test event from being sent; everything else the server says.
export interface TestDraft {
  channel: string
  event: string
  data: string
}

const NAME = /^(#server-to-user-.{1,128}|[-A-Za-z0-9_=@,.;]{1,200})$/u
const LONGEST_EVENT = 200

export function faultsOf(draft: TestDraft): Partial<Record<keyof TestDraft, string>> {
  const faults: Partial<Record<keyof TestDraft, string>> = {}
  if (!draft.channel) faults.channel = 'Needed'
  else if (!NAME.test(draft.channel)) faults.channel = '1 to 200 letters, digits or -_=@,.;'
  else if (draft.channel.startsWith('private-encrypted-')) faults.channel = 'What is said in an encrypted channel only your server can write'
  const length = [...draft.event].length
  if (length === 0) faults.event = 'Needed'
  else if (length > LONGEST_EVENT) faults.event = `At most ${LONGEST_EVENT} characters`
  else if (/^pusher(_internal)?:/.test(draft.event)) faults.event = 'Events of that name are the protocol’s own'
  return faults
}
