// A tenant's plan and its own numbers while they are being changed.
import type { Limits, LimitUse } from '@/api/organization'
import type { Plan, TenantChange } from '@/api/tenants'
import { count } from '@/app/format'
import { limitName } from '@/features/organization/limits'
import { numberFault, numberIn, numbersIn, sameNumbers, textsOf, type Numbers, type Texts } from './numbers'

export interface LimitsDraft {
  plan: string
  /** Empty: as the plan has it. */
  own: Texts
}

function ownNumbers({ limits }: Limits): Numbers {
  const own = limits.filter((one) => one.source === 'LIMIT_SOURCE_TENANT')
  return Object.fromEntries(own.map((one) => [one.name, one.most]))
}

export const draftOf = (held: Limits): LimitsDraft => ({ plan: held.plan, own: textsOf(held.limits.map((one) => one.name), ownNumbers(held)) })

/** What differs from what holds. */
export function changeOf(held: Limits, { plan, own }: LimitsDraft): TenantChange {
  const limits = numbersIn(own)
  return { ...(plan === held.plan ? {} : { plan }), ...(sameNumbers(limits, ownNumbers(held)) ? {} : { limits }) }
}

/** A limit as it would be; as it is while its number is none. */
export function drafted(use: LimitUse, draft: LimitsDraft, plan: Plan | undefined): LimitUse {
  const text = draft.own[use.name] ?? ''
  if (numberFault(text)) return use
  const [own, given] = [numberIn(text), plan?.limits[use.name]]
  if (own !== null) return { ...use, source: 'LIMIT_SOURCE_TENANT', most: own }
  return given === undefined ? { ...use, source: 'LIMIT_SOURCE_NONE', most: 0 } : { ...use, source: 'LIMIT_SOURCE_PLAN', most: given }
}

const edge = ({ source, most }: LimitUse) => (source === 'LIMIT_SOURCE_NONE' ? Infinity : most)

/** What it means that a limit becomes less than is in use, or as much; empty when it does not. */
export function loweredWords(is: LimitUse, will: LimitUse): string {
  if (edge(will) >= edge(is) || will.used < will.most) return ''
  const name = limitName(will.name)
  if (will.name === 'commands_per_day') return `${name}: ${count(will.used)} were taken today. No more are until midnight UTC.`
  const until = will.most > 0 ? ` until fewer than ${count(will.most)} are in use` : ''
  return `${name}: what is there stays (${count(will.used)} in use). Nothing new can be made${until}.`
}

/** What an empty field means. */
export function emptyWords(name: string, plan: Plan | undefined): string {
  const given = plan?.limits[name]
  return `Empty: as the plan has it, ${given === undefined ? 'not limited' : count(given)}`
}
