// A plan while it is being made or changed.
import type { Plan } from '@/api/tenants'
import { count } from '@/app/format'
import { KNOWN_LIMITS, limitName } from '@/features/organization/limits'
import { numbersIn, sameNumbers, textsOf, type Texts } from './numbers'

export interface PlanDraft {
  name: string
  description: string
  /** Empty: not limited. */
  limits: Texts
}

/** All limits that are known here or that a plan has, the known ones first. */
export const limitNames = (plans: Plan[]): string[] => [...new Set([...KNOWN_LIMITS, ...plans.flatMap((one) => Object.keys(one.limits).toSorted())])]

export const planDraft = (plan: Plan | null, names: readonly string[]): PlanDraft => ({
  name: plan?.name ?? '',
  description: plan?.description ?? '',
  limits: textsOf(names, plan?.limits ?? {}),
})

/** Whether saving would change anything; a plan that is made always does. */
export const isChanged = (plan: Plan | null, draft: PlanDraft): boolean =>
  !plan || draft.description.trim() !== plan.description || !sameNumbers(numbersIn(draft.limits), plan.limits)

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/

/** What is wrong with the name of a new plan; empty when nothing is. */
export function planNameFault(name: string, plans: Plan[]): string {
  if (!NAME.test(name)) return 'Lower-case letters, digits and hyphens, 1 to 32'
  return plans.some((one) => one.name === name) ? 'There is one of that name: change that one' : ''
}

/** What becomes less than it was, in words. */
export function fewerWords(plan: Plan, draft: PlanDraft): string[] {
  const wanted = numbersIn(draft.limits)
  return Object.entries(wanted)
    .filter(([name, most]) => most < (plan.limits[name] ?? Infinity))
    .map(([name, most]) => `${limitName(name)}: ${count(most)} instead of ${plan.limits[name] === undefined ? 'no limit' : count(plan.limits[name])}`)
}
