// Realtime apps of the tenant.
import { randomBytes, randomUUID } from 'node:crypto'
import { iso, Refusal } from './world.mjs'

const MOST = 10
const secret = () => ({ secret_id: randomUUID(), created_at: iso() })
const app = (number, name) => ({
  app_id: `${number}`, key: randomBytes(10).toString('hex'), name, disabled: false, client_events: false, client_events_per_second: 10, allowed_origins: ['*'],
  max_connections: 0, max_members: 100, max_event_bytes: 10240, subscription_count: false, recoverable_prefixes: [], history_events: 300, history_seconds: 300, webhooks: [], secrets: [secret()], created_at: '2026-10-12T08:00:00Z',
})

export function realtimeAppRoutes() {
  let apps = [app(4210987654, 'Field crews')]
  const find = (id) => apps.find((one) => one.app_id === id) ?? null
  const shown = () => randomBytes(32).toString('hex')
  return [
    ['GET', '/api/v1/realtime-apps', 'realtime.manage', () => ({ apps })],
    ['POST', '/api/v1/realtime-apps', 'realtime.manage', ({ body }) => {
      if (apps.length >= MOST) throw new Refusal(409, 'limit.reached', 'The tenant has as many as it may have')
      apps.push({ ...app(4210987655 + apps.length, body.name), created_at: iso() })
      return { app: apps.at(-1), secret: shown() }
    }],
    ['PATCH', '/api/v1/realtime-apps/:id', 'realtime.manage', ({ id, body, query }) => {
      const one = find(id)
      if (!one) return null
      return Object.assign(one, Object.fromEntries(query.get('update_mask').split(',').map((path) => [path, body[path]])), { changed_at: iso() })
    }],
    ['DELETE', '/api/v1/realtime-apps/:id', 'realtime.manage', ({ id }) => {
      apps = apps.filter((one) => one.app_id !== id)
      return { app_id: id }
    }],
    ['POST', '/api/v1/realtime-apps/:id/secrets', 'realtime.manage', ({ id }) => {
      const one = find(id)
      if (!one) return null
      one.secrets.unshift(secret())
      return { app: one, secret_id: one.secrets[0].secret_id, secret: shown() }
    }],
    ['DELETE', '/api/v1/realtime-apps/:id/secrets/:sub', 'realtime.manage', ({ id, sub }) => {
      const one = find(id)
      if (!one) return null
      one.secrets = one.secrets.filter((at) => at.secret_id !== sub)
      return one
    }],
  ]
}
