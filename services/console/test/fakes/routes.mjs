// The fake's addresses: method, path, needed permission ('' = signed in, null = anyone), answer.
import { randomBytes, randomUUID } from 'node:crypto'
import { clerk, CODE, contracts, guarded, newcomer, onlooker, PASSWORD, people, RECOVERY_CODE, series, TENANT } from './data.mjs'
import { accountRoutes } from './account.mjs'
import { auditRoutes } from './audit.mjs'
import { breakGlassRoutes } from './breakGlass.mjs'
import { channelRoutes } from './channels.mjs'
import { federationRoutes } from './federation.mjs'
import { guardRoutes } from './guard.mjs'
import { membershipRoutes } from './memberships.mjs'
import { oauthRoutes } from './oauth.mjs'
import { organizationRoutes } from './organization.mjs'
import { peopleRoutes } from './people.mjs'
import { APP_KEY, sign } from './pusher.mjs'
import { authorizationRoutes } from './authorization.mjs'
import { ask, check, passkeyRoutes, passkeysOf } from './passkeys.mjs'
import { realtimeAppRoutes } from './realtimeApps.mjs'
import { registrationRoutes } from './registration.mjs'
import { rightsRoutes } from './rights.mjs'
import { tenantRoutes } from './tenants.mjs'
import { tokenRoutes } from './tokens.mjs'
import { trustRoutes } from './trust.mjs'
import { iso, Refusal } from './world.mjs'

function page(all, query, fallback = 100) {
  const size = Number(query.get('page_size')) || fallback
  const offset = Number(query.get('page_token') ?? 0)
  const rows = all.slice(offset, offset + size)
  return { rows, ...(offset + size < all.length ? { next_page_token: String(offset + size) } : {}) }
}

function opened(sessions, me, response) {
  const token = randomBytes(16).toString('base64url')
  sessions.set(token, me)
  response.setHeader('Set-Cookie', `__Host-yard_session=${token}; Path=/; Secure; HttpOnly; SameSite=Lax`)
  return { me, expires_at: iso(Date.now() + 3_600_000) }
}

const session = (world, { sessions, passkeys, challenges = new Map() } = world) => [
  ['POST', '/api/v1/sessions', null, ({ body, response }) => {
    const me = [...people, ...guarded, clerk, newcomer, onlooker].find((one) => one.email === body.email?.toLowerCase())
    if (!me || body.password !== PASSWORD || (body.tenant && body.tenant !== me.tenant_slug)) throw new Refusal(401, 'auth.invalid_credentials', 'Sign-in refused')
    const keys = passkeysOf(passkeys, me).length > 0
    if (!guarded.includes(me) && !keys && !world.accounts.standIn(me)) return opened(sessions, me, response)
    const token = randomBytes(16).toString('base64url')
    challenges.set(token, { me, tries: 5 })
    return { challenge: { challenge_token: token, expires_at: iso(Date.now() + 300_000), factors: [...(guarded.includes(me) ? ['FACTOR_KIND_TOTP'] : []), ...(keys ? ['FACTOR_KIND_PASSKEY'] : []), 'FACTOR_KIND_RECOVERY_CODE'], ...(keys ? { passkey: ask(passkeys, me, token).options } : {}) } }
  }],
  ['POST', '/api/v1/sessions/second-factor', null, ({ body, response }) => {
    const open = challenges.get(body.challenge_token)
    if (!open?.tries) throw new Refusal(401, 'auth.challenge_expired', 'The sign-in has to be begun again')
    open.tries -= 1
    if (body.passkey) check(passkeys, body.challenge_token, body.passkey)
    else if (body.totp_code !== CODE && body.recovery_code !== RECOVERY_CODE) throw new Refusal(401, 'auth.factor_invalid', 'The proof is wrong')
    challenges.delete(body.challenge_token)
    return opened(sessions, open.me, response)
  }],
  ['DELETE', '/api/v1/sessions/current', '', ({ token, response }) => {
    sessions.delete(token)
    response.setHeader('Set-Cookie', '__Host-yard_session=; Path=/; Secure; HttpOnly; Max-Age=0')
    return {}
  }],
  ['GET', '/api/v1/me', '', ({ me }) => ({ ...me, inside: undefined })],
  ['GET', '/api/v1/realtime', '', () => ({ app_key: APP_KEY, path: '/app', activity_timeout_seconds: 30 })],
  ['POST', '/broadcasting/auth', 'telemetry.read', ({ body, me }) => {
    if (!body.channel_name.startsWith(`private-organization.${me.tenant_id}`)) throw new Refusal(403, 'channel.forbidden', 'Channel refused')
    return { auth: sign(body.socket_id, body.channel_name) }
  }],
]

const registry = ({ devices, byId, silent, certificates, quarantine, broker, find, counts, certificatesOf, quarantineOf }) => [
  ['GET', '/api/v1/devices', 'devices.read', ({ query, me }) => {
    if (me.tenant_id !== TENANT) return { devices: [], total_size: 0, presence_counts: {} }
    const prefix = (query.get('name_prefix') ?? '').toLowerCase()
    const presence = query.get('presence')
    const match = devices.filter((d) => d.name.toLowerCase().startsWith(prefix) && (!presence || d.presence === presence))
    const { rows, ...rest } = page(match, query)
    return { devices: rows, ...rest, total_size: match.length, presence_counts: counts() }
  }],
  ['POST', '/api/v1/devices', 'devices.manage', ({ body, request }) => {
    if (!request.headers['idempotency-key']) throw new Refusal(400, 'request.invalid', 'The Idempotency-Key header is missing')
    if (devices.some((d) => d.name === body.name)) throw new Refusal(409, 'device.name_taken', 'The name is taken', `Another device of this tenant is called “${body.name}”.`)
    const device = { device_id: randomUUID(), ...body, labels: {}, presence: 'PRESENCE_NEVER', created_at: iso() }
    devices.push(device)
    devices.sort((a, b) => a.name.localeCompare(b.name))
    byId.set(device.device_id, device)
    silent.add(device.device_id)
    return device
  }],
  ['GET', '/api/v1/devices/:id', 'devices.read', ({ id }) => find(id)],
  ['POST', '/api/v1/devices/:id/claim-codes', 'devices.enroll', ({ id }) => ({ code: `yc_${randomBytes(15).toString('base64url')}`, device_id: find(id).device_id, expires_at: iso(Date.now() + 86_400_000) })],
  ['GET', '/api/v1/devices/:id/certificates', 'devices.read', ({ id }) => ({ certificates: certificatesOf(id) })],
  ['POST', '/api/v1/certificates/:id/revocation', 'devices.enroll', ({ id }) => {
    const found = [...certificates.values()].flat().find((one) => one.serial === id && !one.revoked_at)
    if (!found) throw new Refusal(404, 'certificate.not_found', 'No such certificate')
    Object.assign(found, { revoked_at: iso(), state: 'CERTIFICATE_STATE_REVOKING' })
    // The broker takes its time, as it does.
    const enforce = () => Object.assign(found, { enforced_at: iso(), state: 'CERTIFICATE_STATE_REVOKED' })
    if (broker.held) broker.held.push(enforce)
    else setTimeout(enforce, 1200)
    return found
  }],
  ['GET', '/api/v1/devices/:id/quarantine', 'devices.read', ({ id, query }) => {
    const { rows, ...rest } = page(silent.has(id) ? (quarantine.get(id) ?? []) : quarantineOf(id), query, 50)
    return { messages: rows, ...rest }
  }],
]

const traffic = ({ silent, commands, find, reading }) => [
  ['GET', '/api/v1/contracts', 'devices.read', () => ({ contracts })],
  ['POST', '/api/v1/contracts', 'devices.manage', ({ body }) => {
    const made = { contract_id: randomUUID(), ...body, created_at: iso() }
    contracts.push(made)
    return made
  }],
  ['GET', '/api/v1/contracts/:id', 'devices.read', ({ id }) => contracts.find((c) => c.contract_id === id)],
  ['GET', '/api/v1/devices/:id/readings/latest', 'telemetry.read', ({ id }) => {
    if (silent.has(id) || find(id).presence === 'PRESENCE_NEVER') throw new Refusal(404, 'telemetry.no_reading', 'No reading is stored')
    return reading(find(id), Date.now() - 500)
  }],
  ['GET', '/api/v1/devices/:id/readings', 'telemetry.read', ({ id }) => ({ readings: silent.has(id) || find(id).presence === 'PRESENCE_NEVER' ? [] : [reading(find(id), Date.now() - 60_000)] })],
  ['GET', '/api/v1/devices/:id/series/:sub', 'telemetry.read', ({ id, sub, query }) => {
    const [from, to] = [Date.parse(query.get('from')), Date.parse(query.get('to'))]
    const empty = silent.has(id) || find(id).presence === 'PRESENCE_NEVER'
    return { metric: sub, from: iso(from), to: iso(to), buckets: empty ? [] : series(sub, from, to, Number(query.get('buckets')) || 500, Date.now()) }
  }],
  ['GET', '/api/v1/devices/:id/commands', 'devices.read', ({ id }) => ({ commands: commands.list(id) })],
  ['POST', '/api/v1/devices/:id/commands', 'devices.control', ({ id, body, me, request }) => {
    const key = request.headers['idempotency-key']
    if (!key) throw new Refusal(400, 'request.invalid', 'The Idempotency-Key header is missing')
    return commands.send(find(id), body, me, key)
  }],
  ['GET', '/api/v1/commands/:id', 'devices.read', ({ id }) => commands.get(id)],
  ['POST', '/api/v1/commands/:id/cancellation', 'devices.control', ({ id, me }) => {
    const done = commands.cancel(id, me)
    if (!done) throw new Refusal(409, 'command.already_delivered', 'Too late to cancel', 'The device has it.')
    return done
  }],
]

const ops = () => [
  ['GET', '/api/ops/v1/queues', 'ops.read', () => ({ queues: [
    { name: 'telemetry', depth: 214, oldest_age_ms: 38 }, { name: 'default', depth: 3, oldest_age_ms: 840 },
    { name: 'commands' }, { name: 'notifications', depth: 2, oldest_age_ms: 96_000 },
  ] })],
  ['GET', '/api/ops/v1/jobs', 'ops.read', ({ query }) => {
    const all = Array.from({ length: 140 }, (_, n) => ({
      job_id: `0197a3c2-7000-7000-8000-${n.toString(16).padStart(12, '0')}`, queue: n % 3 ? 'default' : 'ingest', kind: n % 3 ? 'partition-maintenance' : 'presence-sweep',
      state: n === 0 ? 'JOB_STATE_RUNNING' : n === 5 ? 'JOB_STATE_DEAD' : 'JOB_STATE_COMPLETED', attempt: n === 5 ? 5 : 1,
      created_at: iso(Date.now() - 61_000 * (n + 1)), ...(n ? { finished_at: iso(Date.now() - 61_000 * (n + 1) + 180 + n) } : {}), ...(n === 5 ? { last_error: 'the database did not answer within 5 s' } : {}),
    }))
    const { rows, ...rest } = page(all, query)
    return { jobs: rows, ...rest }
  }],
  ['GET', '/api/ops/v1/schedules', 'ops.read', () => ({ schedules: [
    { name: 'partition-maintenance', cron: '10 0 * * *', time_zone: 'UTC', job_kind: 'partition-maintenance', next_fire_at: iso(Date.now() + 40_000_000), last_fire_at: iso(Date.now() - 46_000_000) },
    { name: 'presence-sweep', cron: '* * * * *', time_zone: 'UTC', job_kind: 'presence-sweep', next_fire_at: iso(Date.now() + 21_000), last_fire_at: iso(Date.now() - 39_000) },
  ] })],
  ['GET', '/api/ops/v1/leadership', 'ops.read', () => ({ holder: 'scheduler-1', epoch: 7, expires_at: iso(Date.now() + 12_000) })],
  ['GET', '/api/ops/v1/schedules/:id/fires', 'ops.read', ({ id }) => ({ fires: Array.from({ length: 8 }, (_, n) => ({ fire_id: randomUUID(), schedule: id, planned_at: iso(Date.now() - 60_000 * n), fired_at: iso(Date.now() - 60_000 * n + 40), epoch: 7, cause: n === 3 ? 'catch-up' : 'plan' })) })],
  ['POST', '/api/ops/v1/schedules/:id/fires', 'ops.manage', ({ id }) => ({ fire_id: randomUUID(), schedule: id, planned_at: iso(), fired_at: iso(), epoch: 7, cause: 'by hand' })],
]

/** `:name` in a path is a part of the address. */
const compile = ([method, path, permission, run]) => ({
  method, permission, run, pattern: new RegExp(`^${path.replace(/:(\w+)/g, '(?<$1>[^/]+)')}$`),
})

export const makeRoutes = (world) => [
  ...session(world), ...registry(world), ...traffic(world), ...ops(), ...guardRoutes(world), ...auditRoutes(world), ...tokenRoutes(), ...accountRoutes(world), ...authorizationRoutes(),
  ...rightsRoutes(world), ...breakGlassRoutes(world), ...trustRoutes(world), ...oauthRoutes(), ...peopleRoutes(world), ...organizationRoutes(world), ...tenantRoutes(world), ...membershipRoutes(world),
  ...federationRoutes(world),
  ...registrationRoutes(world),
  ...realtimeAppRoutes(),
  ...channelRoutes(world),
  ...passkeyRoutes(world, opened),
].map(compile)
