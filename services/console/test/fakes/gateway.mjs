// A gateway for tests and for looking at the console without a stack:
//   node test/fakes/gateway.mjs [port] [devices]
// REST, the live socket, and the production headers, over data made up in memory.
import { randomBytes, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { commandStore } from './commands.mjs'
import { contracts, makeDevices, measured, PASSWORD, people, series, TENANT } from './data.mjs'
import { serveFile } from './files.mjs'
import { APP_KEY, pusherServer, sign } from './pusher.mjs'

class Refusal extends Error {
  constructor(status, code, title, detail = '') {
    super(title)
    Object.assign(this, { status, code, title, detail })
  }
}

export function startGateway({ port = 0, deviceCount = 10_000, readingEvery = 1000 } = {}) {
  const pusher = pusherServer()
  const devices = makeDevices(deviceCount, Date.now())
  const byId = new Map(devices.map((device) => [device.device_id, device]))
  const sessions = new Map()
  const certificates = new Map()
  const quarantine = new Map()
  const silent = new Set()
  const iso = (ms = Date.now()) => new Date(ms).toISOString()
  const deviceTopic = (id) => `private-organization.${TENANT}.device.${id}`
  const publish = (id, event, data) => {
    const body = { event, device_id: id, at: iso(), ...data }
    pusher.publish(deviceTopic(id), event, body)
    if (event !== 'telemetry.received') pusher.publish(`private-organization.${TENANT}`, event, body)
  }
  const commands = commandStore(publish)
  /** What the next requests to a path get instead of an answer; set by tests. */
  const broken = new Map()

  const find = (id) => {
    const device = byId.get(id)
    if (!device) throw new Refusal(404, 'device.not_found', 'No such device')
    return device
  }
  const counts = () => {
    const out = {}
    for (const { presence } of devices) {
      const key = presence.replace('PRESENCE_', '').toLowerCase()
      out[key] = (out[key] ?? 0) + 1
    }
    return out
  }
  function certificatesOf(id) {
    if (!certificates.has(id)) {
      const known = byId.get(id)?.presence !== 'PRESENCE_NEVER'
      const now = Date.now()
      const day = 86_400_000
      certificates.set(id, known ? [
        { serial: '4f1c9a2b7de08356a1', device_id: id, not_before: iso(now - 12 * day), not_after: iso(now + 78 * day) },
        { serial: '2290bb61cc410f7e53', device_id: id, not_before: iso(now - 80 * day), not_after: iso(now + 10 * day), revoked_at: iso(now - 12 * day) },
      ] : [])
    }
    return certificates.get(id)
  }
  function valuesAt(device, at) {
    const contract = contracts.find((c) => c.contract_id === device.contract_id)
    return Object.fromEntries(contract.metrics.map((m) => [m.key, measured(m.key, at)]))
  }
  const reading = (device, at) => ({
    message_id: randomUUID(), device_id: device.device_id, occurred_at: iso(at), received_at: iso(at + 12), values: valuesAt(device, at), epoch: 1, sequence: Math.floor(at / 1000),
  })
  function quarantineOf(id) {
    if (!quarantine.has(id)) {
      const payload = Buffer.from('{"at":"2026-11-21T04:55:00Z","values":{"flow":912.4}}').toString('base64')
      quarantine.set(id, [
        { message_id: randomUUID(), device_id: id, topic: `device/${id}/telemetry`, reason_code: 'telemetry.out_of_range', pointer: '/values/flow', detail: '912.4 is greater than the maximum of 400', payload, received_at: iso(Date.now() - 340_000) },
        { message_id: randomUUID(), device_id: id, topic: `device/${id}/telemetry`, reason_code: 'telemetry.timestamp_missing', detail: 'a reading needs the field at', payload: Buffer.from('{"values":{"flow":101}}').toString('base64'), received_at: iso(Date.now() - 8_340_000) },
      ])
    }
    return quarantine.get(id)
  }

  function page(all, query, fallback = 100) {
    const size = Number(query.get('page_size')) || fallback
    const offset = Number(query.get('page_token') ?? 0)
    const rows = all.slice(offset, offset + size)
    return { rows, ...(offset + size < all.length ? { next_page_token: String(offset + size) } : {}) }
  }

  const routes = [
    ['POST', '/api/v1/sessions', null, ({ body, response }) => {
      const me = people.find((one) => one.email === body.email?.toLowerCase())
      if (!me || body.password !== PASSWORD || (body.tenant && body.tenant !== me.tenant_slug)) throw new Refusal(401, 'auth.credentials_invalid', 'Sign-in refused')
      const token = randomBytes(16).toString('base64url')
      sessions.set(token, me)
      response.setHeader('Set-Cookie', `fake_session=${token}; Path=/; HttpOnly; SameSite=Lax`)
      return { me, expires_at: iso(Date.now() + 3_600_000) }
    }],
    ['DELETE', '/api/v1/sessions/current', '', ({ token, response }) => {
      sessions.delete(token)
      response.setHeader('Set-Cookie', 'fake_session=; Path=/; HttpOnly; Max-Age=0')
      return {}
    }],
    ['GET', '/api/v1/me', '', ({ me }) => me],
    ['GET', '/api/v1/realtime', '', () => ({ app_key: APP_KEY, path: '/app', activity_timeout_seconds: 30 })],
    ['POST', '/broadcasting/auth', 'telemetry.read', ({ body }) => {
      if (!body.channel_name.startsWith(`private-organization.${TENANT}`)) throw new Refusal(403, 'realtime.channel_forbidden', 'Channel refused')
      return { auth: sign(body.socket_id, body.channel_name) }
    }],
    ['GET', '/api/v1/devices', 'devices.read', ({ query }) => {
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
      found.revoked_at = iso()
      return found
    }],
    ['GET', '/api/v1/devices/:id/quarantine', 'devices.read', ({ id, query }) => {
      const { rows, ...rest } = page(silent.has(id) ? (quarantine.get(id) ?? []) : quarantineOf(id), query, 50)
      return { messages: rows, ...rest }
    }],
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
  ].map(([method, path, permission, run]) => ({ method, permission, run, pattern: new RegExp(`^${path.replace(/:(\w+)/g, '(?<$1>[^/]+)')}$`) }))

  /** Levers for tests; never part of a product. */
  const control = {
    /** The next `times` requests whose path starts so are refused. */
    break: (prefix, status, code, times = 1) => broken.set(prefix, { status, code, times }),
    presence(id, state) {
      find(id).presence = `PRESENCE_${state}`
      publish(id, 'presence.changed', { presence: `PRESENCE_${state}` })
    },
    speak(id) {
      silent.delete(id)
      certificates.set(id, [{ serial: randomBytes(9).toString('hex'), device_id: id, not_before: iso(), not_after: iso(Date.now() + 90 * 86_400_000) }])
      find(id).last_seen_at = iso()
      control.presence(id, 'ONLINE')
      publish(id, 'telemetry.received', reading(find(id), Date.now()))
    },
    refuse: (id) => quarantine.set(id, [{ message_id: randomUUID(), device_id: id, topic: `device/${id}/telemetry`, reason_code: 'telemetry.out_of_range', pointer: '/values/flow', detail: '912.4 is greater than the maximum of 400', payload: 'e30=', received_at: iso() }]),
    drop: () => pusher.dropAll(),
    hold: (on) => commands.hold(on),
  }

  function refusalFor(path) {
    for (const [prefix, rule] of broken) {
      if (!path.startsWith(prefix)) continue
      rule.times -= 1
      if (rule.times <= 0) broken.delete(prefix)
      return new Refusal(rule.status, rule.code, 'The server could not do this', 'A part it depends on did not answer.')
    }
    return null
  }

  async function readBody(request) {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    if (request.headers['content-type']?.startsWith('application/x-www-form-urlencoded')) return Object.fromEntries(new URLSearchParams(text))
    return text ? JSON.parse(text) : {}
  }

  function authorize(route, request, me) {
    if (request.method !== 'GET' && request.headers['x-yard-csrf'] !== '1') throw new Refusal(403, 'auth.csrf', 'The request did not come from the console')
    if (route.permission === null) return
    if (!me) throw new Refusal(401, 'auth.required', 'Sign in first')
    if (route.permission && !me.permissions.includes(route.permission)) throw new Refusal(403, 'auth.permission_denied', 'Not allowed', `Needs ${route.permission}.`)
  }

  async function api(request, response, path, query) {
    const refusal = refusalFor(path)
    if (refusal) throw refusal
    const route = routes.find((one) => one.method === request.method && one.pattern.test(path))
    if (!route) throw new Refusal(404, 'request.no_such_route', 'No such address')
    const token = /fake_session=([^;]+)/.exec(request.headers.cookie ?? '')?.[1]
    const me = sessions.get(token)
    authorize(route, request, me)
    const body = request.method === 'GET' ? {} : await readBody(request)
    const groups = route.pattern.exec(path).groups ?? {}
    const answer = route.run({ ...groups, id: groups.id && decodeURIComponent(groups.id), query, body, me, token, request, response })
    if (!answer) throw new Refusal(404, 'request.not_found', 'Not found')
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify(answer))
  }

  async function answer(request, response) {
    const url = new URL(request.url, 'http://fake')
    if (!/^\/(api|broadcasting)\//.test(url.pathname)) return serveFile(url.pathname, response)
    response.setHeader('Cache-Control', 'no-store')
    try {
      await api(request, response, url.pathname, url.searchParams)
    } catch (thrown) {
      const { status = 500, code = 'internal', title = String(thrown), detail = '' } = thrown
      if (status === 500 && !(thrown instanceof Refusal)) console.error(thrown)
      response.writeHead(status, { 'Content-Type': 'application/problem+json' })
      response.end(JSON.stringify({ type: `https://switchyard.example/errors/${code}`, title, status, code, detail, instance: status >= 500 ? `inc_${randomBytes(6).toString('hex')}` : '' }))
    }
  }

  const server = createServer((request, response) => void answer(request, response))
  server.on('upgrade', (request, stream, head) => pusher.upgrade(request, stream, head))
  const timer = setInterval(() => {
    const now = Date.now()
    for (const device of devices) {
      if (device.presence !== 'PRESENCE_ONLINE' || silent.has(device.device_id)) continue
      device.last_seen_at = iso(now - 200)
      if (pusher.listening(deviceTopic(device.device_id))) publish(device.device_id, 'telemetry.received', reading(device, now - 40))
    }
  }, readingEvery)

  return new Promise((resolve) => {
    server.listen(port, '127.0.0.1', () => {
      const url = `http://127.0.0.1:${server.address().port}`
      resolve({ url, control, devices, close: () => (clearInterval(timer), pusher.dropAll(), server.closeAllConnections(), server.close()) })
    })
  })
}

if (process.argv[1]?.endsWith('gateway.mjs')) {
  const { url } = await startGateway({ port: Number(process.argv[2] ?? 8070), deviceCount: Number(process.argv[3] ?? 10_000) })
  console.log(`fake gateway at ${url}; sign in as ${people.map((p) => p.email).join(', ')} with “${PASSWORD}”`)
}
