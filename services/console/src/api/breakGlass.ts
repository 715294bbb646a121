// System administrators in a tenant, for a time and a stated reason.
import { body, client, type Schemas } from './client'

export type BreakGlass = Schemas['BreakGlass']

const paged = (token: string) => ({ page_size: 50, ...(token ? { page_token: token } : {}) })

export const enterTenant = (tenant_id: string, reason: string, minutes: number, permissions: string[]): Promise<BreakGlass> =>
  body(client.POST('/api/ops/v1/break-glass', { body: { tenant_id, reason, minutes, permissions } }))

export async function listEntries(token = ''): Promise<{ rows: BreakGlass[]; nextToken: string }> {
  const answer = await body(client.GET('/api/ops/v1/break-glass', { params: { query: paged(token) } }))
  return { rows: answer.entries, nextToken: answer.next_page_token }
}

export async function listOwnEntries(token = ''): Promise<{ rows: BreakGlass[]; nextToken: string }> {
  const answer = await body(client.GET('/api/v1/break-glass', { params: { query: paged(token) } }))
  return { rows: answer.entries, nextToken: answer.next_page_token }
}

export const endEntry = (break_glass_id: string): Promise<BreakGlass> =>
  body(client.DELETE('/api/v1/break-glass/{break_glass_id}', { params: { path: { break_glass_id } } }))

export const leaveTenant = (): Promise<BreakGlass> => body(client.DELETE('/api/v1/me/break-glass'))
