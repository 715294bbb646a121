// OAuth clients of the tenant.
import { randomUUID } from 'node:crypto'
import { iso } from './world.mjs'

export function oauthRoutes() {
  const clients = [{ client_id: randomUUID(), name: 'Aqua field app', redirect_uris: ['example.aqua.field:/signed-in'], abilities: ['devices.read', 'telemetry.read'], first_party: true, created_at: '2026-10-12T08:00:00Z' }]
  return [
    ['GET', '/api/v1/oauth-clients', 'tenant.manage', () => ({ clients, next_page_token: '' })],
    ['POST', '/api/v1/oauth-clients', 'tenant.manage', ({ body }) => {
      clients.unshift({ client_id: randomUUID(), ...body, created_at: iso() })
      return clients[0]
    }],
    ['DELETE', '/api/v1/oauth-clients/:id', 'tenant.manage', ({ id }) => ({ ...clients.splice(clients.findIndex((one) => one.client_id === id), 1)[0], deleted_at: iso() })],
  ]
}
