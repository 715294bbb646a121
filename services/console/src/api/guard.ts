// The doors of the platform: bans, the switch for maintenance, where calls seem to come from.
import { body, client, type Schemas } from './client'

export type Ban = Schemas['Ban']
export type BanKind = Schemas['BanKind']
export type Maintenance = Schemas['Maintenance']
export type Origin = Schemas['Origin']

export async function listBans(ended: boolean, token = ''): Promise<{ rows: Ban[]; nextToken: string }> {
  const query = { page_size: 50, ...(ended ? { include_ended: true } : {}), ...(token ? { page_token: token } : {}) }
  const answer = await body(client.GET('/api/ops/v1/bans', { params: { query } }))
  return { rows: answer.bans, nextToken: answer.next_page_token }
}

export const createBan = (kind: BanKind, subject: string, reason: string, seconds: number): Promise<Ban> =>
  body(client.POST('/api/ops/v1/bans', { body: { kind, subject, reason, duration_seconds: seconds } }))

export const liftBan = (ban_id: string): Promise<Ban> =>
  body(client.DELETE('/api/ops/v1/bans/{ban_id}', { params: { path: { ban_id } } }))

export const getMaintenance = (): Promise<Maintenance> => body(client.GET('/api/ops/v1/maintenance'))

export const setMaintenance = (active: boolean, reason: string, until: string | null): Promise<Maintenance> =>
  body(client.PUT('/api/ops/v1/maintenance', { body: { active, reason, ...(until ? { until } : {}) } }))

export const getOrigin = (): Promise<Origin> => body(client.GET('/api/ops/v1/origin'))
