export const PASSWORD_HINT = 'At least 12 characters. A sentence is easier to keep than a riddle.'
const LEAST = 12
const MOST_BYTES = 1024

/** What is wrong with a new password; empty when nothing is. */
export function passwordFault(password: string): string {
  if ([...password].length < LEAST) return 'At least 12 characters'
  return new TextEncoder().encode(password).length > MOST_BYTES ? 'At most 1,024 bytes' : ''
}
