import type { AuditEvent } from '@/api/audit'
import type { Tone } from '@/ui/tones'

/** "yard.device.v1.DeviceService/CreateDevice" → "Create device". */
export function actionWords(action: string): string {
  const name = action.split('/').at(-1) ?? action
  const words = name.replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

const KINDS: Record<string, string> = {
  AUDIT_KIND_CALL: 'call', AUDIT_KIND_SIGN_IN: 'sign-in', AUDIT_KIND_DENIAL: 'refusal', AUDIT_KIND_BREAK_GLASS: 'break-glass',
}
export const kindWords = (kind: string): string => KINDS[kind] ?? 'other'

export function outcomeTone(outcome: string): Tone {
  if (outcome === 'ok') return 'ok'
  return outcome === 'unknown' ? 'warn' : 'crit'
}

/** What it was refused with stays a code: it names a page of the documentation. */
export const outcomeWords = (outcome: string): string => ({ ok: 'Done', unknown: 'Not known' })[outcome] ?? outcome

/** Who it was, by name where the name can still be read. */
export function actorWords(event: Pick<AuditEvent, 'actor' | 'personal'>): string {
  if (event.personal?.erased) return 'erased person'
  const named = event.personal?.display_name || event.personal?.email
  if (named) return named
  const [kind, id = ''] = event.actor.split(/:(.*)/s)
  return kind === 'person' ? `person …${id.slice(-8)}` : id || kind || 'nobody'
}
