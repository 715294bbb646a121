// A provider as it is written in a form, and what is wrong with it.
import type { Provider, ProviderDraft } from '@/api/federation'

export interface RuleDraft {
  group: string
  role: string
}

/** What becomes of the client's secret; a new provider's is always set. */
export type SecretChoice = 'keep' | 'set' | 'none'

export interface FormDraft {
  name: string
  issuer: string
  client_id: string
  secret: SecretChoice
  client_secret: string
  scopes: string
  groups_claim: string
  rules: RuleDraft[]
  default_role: string
  domains: string
  create_people: boolean
}

export const emptyDraft = (): FormDraft => ({ name: '', issuer: '', client_id: '', secret: 'set', client_secret: '', scopes: '', groups_claim: '', rules: [], default_role: '', domains: '', create_people: false })

export const draftOf = (one: Provider): FormDraft => ({
  name: one.name,
  issuer: one.issuer,
  client_id: one.client_id,
  secret: 'keep',
  client_secret: '',
  scopes: one.scopes.join(' '),
  groups_claim: one.groups_claim,
  rules: one.role_rules.map(({ group, role }) => ({ group, role })),
  default_role: one.default_role,
  domains: one.email_domains.join(' '),
  create_people: one.create_people,
})

/** Words with blanks, commas or lines between them. */
const list = (text: string): string[] => text.split(/[\s,]+/).filter((one) => one !== '')

export type Faults = Partial<Record<'name' | 'issuer' | 'client_id' | 'client_secret' | 'groups_claim' | 'rules' | 'domains', string>>

export function faultsOf(draft: FormDraft, before: Provider | null = null): Faults {
  const faults: Faults = {}
  if (!draft.name.trim()) faults.name = 'Needed'
  if (!before && !/^https:\/\/\S+$/.test(draft.issuer.trim())) faults.issuer = 'An address that begins with https://'
  if (!draft.client_id.trim()) faults.client_id = 'Needed'
  if (before && draft.secret === 'set' && !draft.client_secret) faults.client_secret = 'Needed: or choose to have none'
  if (draft.rules.some((one) => !one.group.trim() || !one.role)) faults.rules = 'Each rule needs a group and a role'
  else if (draft.rules.length && !draft.groups_claim.trim()) faults.groups_claim = 'Rules need the claim that holds the groups'
  if (draft.create_people && list(draft.domains).length === 0) faults.domains = 'Needed where accounts are made'
  return faults
}

export const providerOf = (draft: FormDraft): ProviderDraft => ({
  name: draft.name.trim(),
  issuer: draft.issuer.trim(),
  client_id: draft.client_id.trim(),
  client_secret: draft.secret === 'set' ? draft.client_secret : '',
  scopes: list(draft.scopes),
  groups_claim: draft.groups_claim.trim(),
  role_rules: draft.rules.map(({ group, role }) => ({ group: group.trim(), role })),
  default_role: draft.default_role,
  email_domains: list(draft.domains).map((one) => one.toLowerCase()),
  create_people: draft.create_people,
})

/** What of a provider the form has otherwise; the issuer is never among it. */
export function changesOf(draft: FormDraft, before: Provider): Partial<ProviderDraft> {
  const now = providerOf(draft)
  const then = providerOf(draftOf(before))
  const differs = (key: string) => {
    if (key === 'client_secret') return draft.secret !== 'keep'
    return key !== 'issuer' && JSON.stringify(now[key as keyof ProviderDraft]) !== JSON.stringify(then[key as keyof ProviderDraft])
  }
  return Object.fromEntries(Object.entries(now).filter(([key]) => differs(key)))
}
