// The audit chain of the tenant, and that of the platform.
import { body, client, type QueryOf, type Schemas } from './client'

export type AuditEvent = Schemas['AuditEvent']
export type AuditStatus = Schemas['AuditStatus']
export type Chain = 'tenant' | 'platform'

type Query = QueryOf<'searchAuditEvents'>

/** What narrows a search, as text; what is empty does not. Times as ISO 8601. */
export type AuditFilter = Record<Exclude<keyof Query, 'page_size' | 'page_token'>, string>

const eventsOf = { tenant: '/api/v1/audit/events', platform: '/api/v1/audit/platform/events' } as const
const statusOf = { tenant: '/api/v1/audit/status', platform: '/api/v1/audit/platform/status' } as const

export async function searchAudit(chain: Chain, filter: AuditFilter, token = ''): Promise<{ rows: AuditEvent[]; nextToken: string }> {
  const set = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== '')) as Query
  const query = { ...set, page_size: 50, ...(token ? { page_token: token } : {}) }
  const answer = await body(client.GET(eventsOf[chain], { params: { query } }))
  return { rows: answer.events, nextToken: answer.next_page_token }
}

export const getAuditStatus = (chain: Chain): Promise<AuditStatus> => body(client.GET(statusOf[chain]))
