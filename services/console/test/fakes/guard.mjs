// Keys, bans and the switch for maintenance.
import { randomBytes, randomUUID } from 'node:crypto'
import { people } from './data.mjs'
import { iso } from './world.mjs'

const DAY = 86_400_000
const kid = () => `issuer:${randomBytes(32).toString('base64url')}`

export function guardStore() {
  const now = Date.now()
  return {
    keys: [
      { kid: kid(), state: 'SIGNING_KEY_STATE_PENDING', created_at: iso(now - 600_000), next_change_at: iso(now + 29 * DAY), reason: '', sealed_with: 'k2' },
      { kid: kid(), state: 'SIGNING_KEY_STATE_ACTIVE', created_at: iso(now - 31 * DAY), activated_at: iso(now - DAY), next_change_at: iso(now + 29 * DAY), reason: '', sealed_with: 'k2' },
      { kid: kid(), state: 'SIGNING_KEY_STATE_RETIRING', created_at: iso(now - 62 * DAY), activated_at: iso(now - 31 * DAY), retired_at: iso(now - DAY), next_change_at: iso(now + 640_000), reason: '', sealed_with: 'k1' },
      { kid: kid(), state: 'SIGNING_KEY_STATE_REVOKED', created_at: iso(now - 93 * DAY), activated_at: iso(now - 62 * DAY), retired_at: iso(now - 31 * DAY), revoked_at: iso(now - 31 * DAY), reason: 'expired', sealed_with: '' },
    ],
    bans: [{ ban_id: randomUUID(), kind: 'BAN_KIND_ADDRESS', subject: '203.0.113.9', reason: '30 refusals in a minute', created_by: 'service:api-gateway', created_at: iso(now - 30_000), expires_at: iso(now + 600_000), lifted_by: '', automatic: true }],
    maintenance: { active: false, reason: '', changed_by: '' },
  }
}

export const guardRoutes = ({ guard }) => [
  ['GET', '/api/v1/keys', 'keys.manage', () => ({ keys: guard.keys, next_page_token: '' })],
  ['POST', '/api/v1/keys/rotate', 'keys.manage', () => {
    const [pending, active] = ['PENDING', 'ACTIVE'].map((state) => guard.keys.find((one) => one.state === `SIGNING_KEY_STATE_${state}`))
    Object.assign(active, { state: 'SIGNING_KEY_STATE_RETIRING', retired_at: iso() })
    Object.assign(pending, { state: 'SIGNING_KEY_STATE_ACTIVE', activated_at: iso() })
    guard.keys.unshift({ kid: kid(), state: 'SIGNING_KEY_STATE_PENDING', created_at: iso(), reason: '', sealed_with: 'k2' })
    return { active: pending, previous: active }
  }],
  ['POST', '/api/v1/keys/:id/revoke', 'keys.manage', ({ id, body }) => {
    const key = guard.keys.find((one) => one.kid === id)
    return { active: guard.keys.find((one) => one.state === 'SIGNING_KEY_STATE_ACTIVE'), previous: Object.assign(key, { state: 'SIGNING_KEY_STATE_REVOKED', revoked_at: iso(), reason: body.reason, sealed_with: '' }) }
  }],
  ['GET', '/api/ops/v1/bans', 'ops.read', ({ query }) => ({ bans: guard.bans.filter((one) => query.get('include_ended') || !one.lifted_at), next_page_token: '' })],
  ['POST', '/api/ops/v1/bans', 'ops.manage', ({ body, me }) => {
    guard.bans.unshift({ ban_id: randomUUID(), ...body, created_by: `person:${me.principal_id}`, created_at: iso(), expires_at: iso(Date.now() + body.duration_seconds * 1000), lifted_by: '', automatic: false })
    return guard.bans[0]
  }],
  ['DELETE', '/api/ops/v1/bans/:id', 'ops.manage', ({ id, me }) => Object.assign(guard.bans.find((one) => one.ban_id === id), { lifted_at: iso(), lifted_by: `person:${me.principal_id}` })],
  ['GET', '/api/ops/v1/maintenance', 'ops.read', () => guard.maintenance],
  ['PUT', '/api/ops/v1/maintenance', 'ops.manage', ({ body }) => (guard.maintenance = { ...body, changed_at: iso(), changed_by: `person:${people[3].principal_id}` })],
  ['GET', '/api/ops/v1/origin', 'ops.read', () => ({ client: '192.0.2.17', peer: '127.0.0.1', peer_trusted: false, header: 'x-forwarded-for', forwarded: '192.0.2.17', remarks: ['An address was forwarded by a peer that is not on the list of trusted proxies.'] })],
]
