import type { AuditStatus } from '@/api/audit'
import type { Tone } from '@/ui/tones'

/** A chain is never called whole further than it was checked. */
export function chainLook(status: AuditStatus): { tone: Tone; words: string } {
  if (status.problem) return { tone: 'crit', words: `The chain is broken: ${status.problem}` }
  if (status.head_sequence === 0) return { tone: 'none', words: 'Empty' }
  if (status.verified_sequence >= status.head_sequence) return { tone: 'ok', words: 'The chain is whole' }
  return status.verified_sequence > 0 ? { tone: 'ok', words: 'Whole as far as checked' } : { tone: 'flight', words: 'Not checked yet' }
}
