// A role while it is changed: what is asked, and what differs from what stands.
import type { Role } from '@/api/rights'

export interface RoleDraft {
  /** Empty for one that is not there yet. */
  was: Role | null
  key: string
  name: string
  description: string
  permissions: string[]
}

export const draftOf = (role: Role | null): RoleDraft => ({
  was: role, key: role?.role ?? '', name: role?.name ?? '', description: role?.description ?? '', permissions: [...(role?.permissions ?? [])],
})

export const KEY = /^[a-z0-9-]{1,64}$/

export function draftFault(draft: RoleDraft, taken: readonly Role[]): { key: string; name: string } {
  const key = draft.was ? '' : !KEY.test(draft.key) ? 'Lower-case letters, digits and hyphens' : taken.some((one) => one.role === draft.key) ? 'There is one of this key' : ''
  return { key, name: draft.name.trim() ? '' : 'Needed' }
}

export interface Difference {
  gains: string[]
  loses: string[]
}

export function difference(draft: RoleDraft): Difference {
  const had = draft.was?.permissions ?? []
  return { gains: draft.permissions.filter((one) => !had.includes(one)), loses: had.filter((one) => !draft.permissions.includes(one)) }
}

/** Only the fields that changed; empty when nothing did. */
export function changeOf(draft: RoleDraft): Partial<Pick<Role, 'name' | 'description' | 'permissions'>> {
  const { gains, loses } = difference(draft)
  return {
    ...(draft.name.trim() !== draft.was?.name ? { name: draft.name.trim() } : {}),
    ...(draft.description.trim() !== draft.was?.description ? { description: draft.description.trim() } : {}),
    ...(gains.length || loses.length ? { permissions: draft.permissions } : {}),
  }
}

/** "Night shift!" → "night-shift". */
export const keyFrom = (name: string): string => name.toLowerCase().normalize('NFKD').replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 64)
