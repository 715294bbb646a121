// Sessions and second factors of whoever asks.
import { randomUUID } from 'node:crypto'
import { CODE, guarded, newcomer, PASSWORD, RECOVERY_CODE, ROLES } from './data.mjs'
import { check, formerOf, passkeysOf } from './passkeys.mjs'
import { iso, Refusal } from './world.mjs'

const SECRET = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'
const HOUR = 3_600_000

const session = (me, client, network, hours, more = {}) => ({
  session_id: randomUUID(), created_at: iso(Date.now() - hours * HOUR), last_used_at: iso(Date.now() - hours * 60_000), expires_at: iso(Date.now() + 9 * HOUR),
  client, network, tenant_slug: me.tenant_slug ?? '', amr: ['pwd'], current: false, application: '', ...more,
})

export function accountRoutes(world) {
  const { sessions, passkeys } = world
  const others = new Map()
  const own = new Map()
  const factors = new Map(guarded.map((one) => [one.principal_id, { since: iso(Date.now() - 40 * 24 * HOUR) }]))
  const left = new Map(guarded.map((one) => [one.principal_id, 2]))
  const hasFactor = (me) => factors.has(me.principal_id) || passkeysOf(passkeys, me).length > 0
  /** Recovery codes, for passkeys that stayed behind. */
  const standIn = (me) => formerOf(passkeys, me) > 0 && (left.get(me.principal_id) ?? 0) > 0
  const guardedNow = (me) => hasFactor(me) || standIn(me)
  const othersOf = (me) => {
    if (!others.has(me.principal_id)) others.set(me.principal_id, [session(me, 'Safari on iOS', '2001:db8:7::/48', 7), session(me, '', '', 30, { application: 'Field app', amr: ['mfa', 'otp', 'pwd'] })])
    return others.get(me.principal_id)
  }
  const ownOf = (me, token) => {
    if (!own.has(token)) own.set(token, session(me, 'Chrome on Linux', '203.0.113.0/24', 0, { current: true }))
    return own.get(token)
  }
  const shown = (me) => {
    const has = factors.get(me.principal_id)
    return { totp: Boolean(has), ...(has ? { totp_since: has.since } : {}), recovery_codes_left: guardedNow(me) ? (left.get(me.principal_id) ?? 0) : 0, passkeys: passkeysOf(passkeys, me).length, former_passkeys: formerOf(passkeys, me), required: me.principal_id === newcomer.principal_id }
  }
  const codes = (me) => {
    left.set(me.principal_id, 10)
    return Array.from({ length: 10 }, (_, n) => `AB${n}D-EFGH-JKMN-PQRS`)
  }
  world.accounts = { shown, codes, hasFactor, standIn }
  const right = (me, body) => {
    if (body.passkey) return Boolean(check(passkeys, body.passkey.challenge_token, body.passkey.assertion))
    if (guardedNow(me)) return body.totp_code === CODE || body.recovery_code === RECOVERY_CODE
    return body.password === PASSWORD
  }
  return [
    ['GET', '/api/v1/me/sessions', '', ({ me, token }) => ({ sessions: [ownOf(me, token), ...othersOf(me)], next_page_token: '' })],
    ['POST', '/api/v1/me/sessions/revoke-others', '', ({ me }) => ({ ended: othersOf(me).splice(0).length })],
    ['DELETE', '/api/v1/me/sessions/:id', '', ({ me, id, token }) => {
      if (own.get(token)?.session_id === id) return sessions.delete(token), {}
      const at = othersOf(me).findIndex((one) => one.session_id === id)
      return at < 0 ? null : (othersOf(me).splice(at, 1), {})
    }],
    ['POST', '/api/v1/sessions/current/reauthenticate', '', ({ me, body }) => {
      if (!right(me, body)) throw new Refusal(401, guardedNow(me) ? 'auth.factor_invalid' : 'auth.invalid_credentials', 'The proof is wrong')
      return { expires_at: iso(Date.now() + 9 * HOUR), session_token: '' }
    }],
    ['POST', '/api/v1/me/password', '', ({ me, body }) => {
      if (body.current_password !== PASSWORD) throw new Refusal(401, 'auth.invalid_credentials', 'The password is wrong')
      return { ended: othersOf(me).splice(0).length, expires_at: iso(Date.now() + 9 * HOUR), session_token: '' }
    }],
    ['GET', '/api/v1/me/factors', '', ({ me }) => shown(me)],
    ['POST', '/api/v1/me/factors/totp', '', ({ me }) => ({
      secret: SECRET, otpauth_uri: `otpauth://totp/Switchyard:${encodeURIComponent(me.email)}?secret=${SECRET}&issuer=Switchyard&digits=6&period=30`, expires_at: iso(Date.now() + 600_000),
    })],
    ['POST', '/api/v1/me/factors/totp/confirm', '', ({ me, body, token }) => {
      if (body.code !== CODE) throw new Refusal(401, 'auth.factor_invalid', 'The proof is wrong')
      const first = !hasFactor(me)
      factors.set(me.principal_id, { since: iso() })
      if (me.second_factor_missing) sessions.set(token, { ...me, second_factor_missing: false, permissions: ROLES[me.role] })
      return { factors: shown(me), recovery_codes: first ? codes(me) : [] }
    }],
    ['DELETE', '/api/v1/me/factors/totp', '', ({ me }) => (factors.delete(me.principal_id), shown(me))],
    ['POST', '/api/v1/me/factors/recovery-codes', '', ({ me }) => ({ recovery_codes: codes(me), factors: shown(me) })],
  ]
}
