// Roles to choose from: three that every organisation has, and its own.
import { listRoles, type Role } from '@/api/rights'
import { useQuery, type Query } from '@/app/query'
import { useSession } from '@/features/session/store'

/** Roles that every tenant has, and what they are for. */
const BUILT_IN: readonly [key: string, words: string][] = [
  ['owner', 'Everything, people and settings included'],
  ['operator', 'Sees and operates devices'],
  ['viewer', 'Sees, and changes nothing'],
]

export interface RoleChoice {
  key: string
  name: string
  words: string
  /** Holds something that the one who chooses does not, so they cannot give it. */
  beyond: boolean
}

/** "system-administrator" as people say it. */
export const roleWord = (role: string): string => role.replaceAll('-', ' ')

/** A role in a sentence: an own one by the name it was given. */
export function roleName(roles: readonly Role[] | null, key: string): string {
  const found = roles?.find((one) => one.role === key)
  return found && !found.built_in ? found.name : roleWord(key)
}

/**
 * What one may choose, built-in roles first, always with the one that is set now. Without `roles`
 * (they may not be seen, or are not there yet) only those that every tenant has.
 */
export function roleChoices(roles: readonly Role[] | null, now: string, may: (permission: string) => boolean): RoleChoice[] {
  const beyond = (key: string) => !(roles?.find((one) => one.role === key)?.permissions.every(may) ?? true)
  const builtIn = BUILT_IN.map(([key, words]) => ({ key, name: roleWord(key), words, beyond: beyond(key) }))
  const own = (roles ?? []).filter((one) => !one.built_in).map((one) => ({ key: one.role, name: one.name, words: one.description, beyond: beyond(one.role) }))
  const all = [...builtIn, ...own]
  return now === '' || all.some((one) => one.key === now) ? all : [...all, { key: now, name: roleWord(now), words: '', beyond: false }]
}

/** What a new member gets unless another is chosen: operator, or else the first that may be given. */
export function firstRole(roles: readonly Role[] | null, may: (permission: string) => boolean): string {
  const open = roleChoices(roles, '', may).filter((one) => !one.beyond)
  return (open.find((one) => one.key === 'operator') ?? open.find((one) => one.key !== 'owner') ?? open[0])?.key ?? ''
}

/** The tenant's roles; none for those who may not see them. */
export function useRoles(): Query<Role[]> {
  const session = useSession()
  return useQuery(async () => (session.may('rights.read') ? listRoles() : []))
}
