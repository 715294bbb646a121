// Organisations that the caller is a member of, and going over from one to another.
import { body, client, type Schemas } from './client'
import * as t from './types'

export type Membership = Schemas['Membership']

export async function listMemberships(token = ''): Promise<{ rows: Membership[]; nextToken: string }> {
  const query = { page_size: 50, ...(token ? { page_token: token } : {}) }
  const answer = await body(client.GET('/api/v1/me/memberships', { params: { query } }))
  return { rows: answer.memberships, nextToken: answer.next_page_token }
}

/** Ends the session and opens one there. */
export const switchTenant = async (tenant: string): Promise<t.Me> =>
  t.me((await body(client.POST('/api/v1/sessions/current/tenant', { body: { tenant, delivery: 'SESSION_DELIVERY_COOKIE' } }))).me ?? {})
