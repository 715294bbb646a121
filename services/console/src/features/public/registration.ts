// Where a registration is, as steps that are done, under way and ahead.
import type { Registration } from '@/api/registration'
import { time, type Time } from '@/api/wire'
import type { Tone } from '@/ui/tones'

type Kind = Registration['steps'][number]['kind']

export interface Step {
  key: string
  words: string
  tone: Tone
  at: Time
  ahead: boolean
}

const WORDS: Partial<Record<Kind, [done: string, next: string]>> = {
  REGISTRATION_STEP_KIND_REQUESTED: ['Asked for', 'To be asked for'],
  REGISTRATION_STEP_KIND_VERIFIED: ['Address confirmed', 'Confirm your address'],
  REGISTRATION_STEP_KIND_PROVISIONING: ['Begun to be made', 'Waits for its turn'],
  REGISTRATION_STEP_KIND_READY: ['Ready', 'Being made'],
}

export function registrationSteps({ steps, state }: Registration): Step[] {
  const next = steps.findIndex((one) => !one.done_at)
  return steps.map(({ kind, done_at }, at) => {
    const [done, coming] = WORDS[kind] ?? [kind, kind]
    const failed = at === next && state === 'REGISTRATION_STATE_FAILED'
    const tone = done_at ? 'ok' : failed ? 'warn' : at === next ? 'flight' : 'off'
    return { key: kind, words: failed ? 'Failed, tried again by itself' : done_at ? done : coming, tone, at: time(done_at), ahead: !done_at }
  })
}

/** Confirmed, and neither ready nor given up: it goes on by itself. */
export const isUnderWay = (one: Registration | null): boolean =>
  one !== null && !['REGISTRATION_STATE_REQUESTED', 'REGISTRATION_STATE_READY'].includes(one.state)

const SLUG = /^[a-z0-9](?:[a-z0-9-]{1,61}[a-z0-9])$/

/** What is wrong with the wish for an address; empty when nothing is. */
export const wishFault = (slug: string): string => (SLUG.test(slug) ? '' : 'Lower-case letters, digits and hyphens, 3 to 63')
