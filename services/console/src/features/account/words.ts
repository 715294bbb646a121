import type { Session } from '@/api/account'

const PROOFS: Record<string, string> = { pwd: 'password', otp: 'app code', recovery: 'recovery code', pop: 'passkey', fed: 'your provider' }

/** How somebody proved who they are. That there were two factors follows from the two. */
export function proofWords(amr: readonly string[]): string {
  return amr.filter((mark) => mark !== 'mfa').map((mark) => PROOFS[mark] ?? mark).toSorted().toReversed().join(', ') || '–'
}

export const sessionName = (one: Session): string => one.application || one.client || 'Something that does not say'
