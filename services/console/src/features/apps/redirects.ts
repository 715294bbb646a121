// Where an application may return to, by the rules of the contract.

const LOOPBACK = /^http:\/\/(127\.0\.0\.1|\[::1\])(:\d+)?\//
const OWN_SCHEME = /^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:\//i
const MOST = 16
const LONGEST = 512

/** One address per line, as text of a field. */
export const lines = (text: string): string[] => text.split('\n').map((one) => one.trim()).filter((one) => one !== '')

/** What is wrong with the first bad one; empty when all are good. */
export function redirectFault(all: readonly string[]): string {
  if (all.length === 0) return 'Needed'
  if (all.length > MOST) return `At most ${MOST}`
  for (const one of all) {
    if (new TextEncoder().encode(one).length > LONGEST) return `Longer than ${LONGEST} bytes: ${one.slice(0, 40)}…`
    if (one.includes('#')) return `No # in it: ${one}`
    if (!one.startsWith('https://') && !LOOPBACK.test(one) && !OWN_SCHEME.test(one)) return `Neither https, loopback nor a scheme of its own: ${one}`
  }
  return ''
}
