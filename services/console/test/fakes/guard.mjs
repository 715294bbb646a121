// Keys that sign.
import { randomBytes } from 'node:crypto'
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
]
