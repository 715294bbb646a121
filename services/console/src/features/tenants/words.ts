import type { Tenant } from '@/api/tenants'
import { whole } from '@/api/wire'
import type { Tone } from '@/ui/tones'

export interface TenantLook {
  tone: Tone
  words: string
}

/** What a tenant is at, with how far its schema is while that is being made. */
export function tenantLook({ state, schema }: Tenant): TenantLook {
  const [version, newest] = [whole(schema?.version), whole(schema?.newest)]
  switch (state) {
    case 'TENANT_STATE_REQUESTED':
      return { tone: 'none', words: 'Waits for a proved address' }
    case 'TENANT_STATE_PROVISIONING':
      if (schema?.error) return { tone: 'crit', words: 'Its schema failed, tried again' }
      return { tone: 'flight', words: newest ? `Being made, ${version} of ${newest}` : 'Being made' }
    case 'TENANT_STATE_READY':
      return schema?.error || version < newest ? { tone: 'warn', words: `Ready, schema ${version} of ${newest}` } : { tone: 'ok', words: 'Ready' }
    case 'TENANT_STATE_SUSPENDED':
      return { tone: 'warn', words: 'Suspended' }
    case 'TENANT_STATE_CLOSING':
      return { tone: 'flight', words: 'Being deleted' }
    case 'TENANT_STATE_CLOSED':
      return { tone: 'off', words: 'Closed' }
    default:
      return { tone: 'none', words: 'Unknown' }
  }
}

const SLUG = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** What is wrong with a slug; empty when nothing is. */
export const slugFault = (slug: string): string => (SLUG.test(slug) ? '' : 'Lower-case letters, digits and hyphens, 1 to 63')

/** A slug that a name suggests. */
export const slugFrom = (name: string): string =>
  name.normalize('NFKD').toLowerCase().replace(/\p{M}/gu, '').replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 63).replace(/-+$/, '')

/** What is wrong with the digest of an export; empty when nothing is. */
export const digestFault = (digest: string): string => (/^[0-9a-f]{64}$/.test(digest) ? '' : '64 characters from 0 to 9 and a to f')
