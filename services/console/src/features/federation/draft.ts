// A provider as it is written in a form, and what is wrong with it.
import type { ProviderDraft } from '@/api/federation'

export interface RuleDraft {
  group: string
  role: string
}

export interface FormDraft {
  name: string
  issuer: string
  client_id: string
  client_secret: string
  scopes: string
  groups_claim: string
  rules: RuleDraft[]
  default_role: string
  domains: string
  create_people: boolean
}

export const emptyDraft = (): FormDraft => ({ name: '', issuer: '', client_id: '', client_secret: '', scopes: '', groups_claim: '', rules: [], default_role: '', domains: '', create_people: false })

/** Words with blanks, commas or lines between them. */
const list = (text: string): string[] => text.split(/[\s,]+/).filter((one) => one !== '')

export type Faults = Partial<Record<'name' | 'issuer' | 'client_id' | 'groups_claim' | 'rules' | 'domains', string>>

export function faultsOf(draft: FormDraft): Faults {
  const faults: Faults = {}
  if (!draft.name.trim()) faults.name = 'Needed'
  if (!/^https:\/\/\S+$/.test(draft.issuer.trim())) faults.issuer = 'An address that begins with https://'
  if (!draft.client_id.trim()) faults.client_id = 'Needed'
  if (draft.rules.some((one) => !one.group.trim() || !one.role)) faults.rules = 'Each rule needs a group and a role'
  else if (draft.rules.length && !draft.groups_claim.trim()) faults.groups_claim = 'Rules need the claim that holds the groups'
  if (draft.create_people && list(draft.domains).length === 0) faults.domains = 'Needed where accounts are made'
  return faults
}

export const providerOf = (draft: FormDraft): ProviderDraft => ({
  name: draft.name.trim(),
  issuer: draft.issuer.trim(),
  client_id: draft.client_id.trim(),
  client_secret: draft.client_secret,
  scopes: list(draft.scopes),
  groups_claim: draft.groups_claim.trim(),
  role_rules: draft.rules.map(({ group, role }) => ({ group: group.trim(), role })),
  default_role: draft.default_role,
  email_domains: list(draft.domains).map((one) => one.toLowerCase()),
  create_people: draft.create_people,
})
