// Devices that came back after their certificate had expired.
import { body, client, type Schemas } from './client'

export type ReturnedDevice = Schemas['QuarantinedDevice']

export async function listReturned(token = ''): Promise<{ rows: ReturnedDevice[]; nextToken: string }> {
  const query = { page_size: 50, ...(token ? { page_token: token } : {}) }
  const answer = await body(client.GET('/api/v1/quarantined-devices', { params: { query } }))
  return { rows: answer.devices, nextToken: answer.next_page_token }
}

const byDevice = (device_id: string) => ({ params: { path: { device_id } }, body: {} })

export const approveReturned = (id: string): Promise<ReturnedDevice> =>
  body(client.POST('/api/v1/quarantined-devices/{device_id}/approval', byDevice(id)))

export const refuseReturned = (id: string): Promise<ReturnedDevice> =>
  body(client.POST('/api/v1/quarantined-devices/{device_id}/refusal', byDevice(id)))
