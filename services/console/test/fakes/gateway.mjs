// A gateway for tests and for looking at the console without a stack:
//   node test/fakes/gateway.mjs [port] [devices]
// REST, the live socket, and the production headers, over data made up in memory.
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { PASSWORD, people } from './data.mjs'
import { serveFile } from './files.mjs'
import { STREAMED } from './organization.mjs'
import { makeRoutes } from './routes.mjs'
import { iso, makeControl, makeWorld, Refusal } from './world.mjs'

async function readBody(request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  if (request.headers['content-type']?.startsWith('application/x-www-form-urlencoded')) return Object.fromEntries(new URLSearchParams(text))
  return text ? JSON.parse(text) : {}
}

/** Open to a session that lacks the second factor its tenant requires. */
const BEFORE_FACTOR = /^\/api\/v1\/(me|me\/factors|me\/factors\/totp|me\/factors\/totp\/confirm|me\/factors\/passkeys|me\/factors\/passkeys\/challenge|me\/memberships|sessions\/current\/tenant|sessions\/current|sessions\/current\/reauthenticate)$/

function authorize(route, request, me) {
  if (request.method !== 'GET' && request.headers['x-yard-csrf'] !== '1') throw new Refusal(403, 'auth.csrf_failed', 'The request did not come from the console')
  if (route.permission === null) return
  if (!me) throw new Refusal(401, 'auth.required', 'Sign in first')
  if (me.second_factor_missing && !BEFORE_FACTOR.test(new URL(request.url, 'http://fake').pathname)) throw new Refusal(403, 'auth.second_factor_required', 'A second factor is required')
  if (route.permission && !me.permissions.includes(route.permission)) throw new Refusal(403, 'auth.forbidden', 'Not allowed', `Needs ${route.permission}.`)
}

export function startGateway({ port = 0, deviceCount = 10_000, readingEvery = 1000 } = {}) {
  const world = makeWorld(deviceCount)
  const { pusher, devices, sessions, silent, deviceTopic, publish, reading } = world
  const routes = makeRoutes(world)
  /** What the next requests to a path get instead of an answer; set by tests. */
  const broken = new Map()
  const control = makeControl(world, broken)

  function refusalFor(method, path) {
    for (const [prefix, rule] of broken) {
      if (!path.startsWith(prefix) && !`${method} ${path}`.startsWith(prefix)) continue
      rule.times -= 1
      if (rule.times <= 0) broken.delete(prefix)
      return new Refusal(rule.status, rule.code, 'The server could not do this', rule.pointer ? 'It is not allowed here.' : 'A part it depends on did not answer.', rule.pointer)
    }
    return null
  }

  async function api(request, response, path, query) {
    const refusal = refusalFor(request.method, path)
    if (refusal) throw refusal
    const route = routes.find((one) => one.method === request.method && one.pattern.test(path))
    if (!route) throw new Refusal(404, 'route.not_found', 'No such address')
    const token = /__Host-yard_session=([^;]+)/.exec(request.headers.cookie ?? '')?.[1]
    const me = sessions.get(token)
    authorize(route, request, me)
    const body = request.method === 'GET' ? {} : await readBody(request)
    const groups = route.pattern.exec(path).groups ?? {}
    const answer = route.run({ ...groups, id: groups.id && decodeURIComponent(groups.id), query, body, me, token, request, response })
    if (answer === STREAMED) return
    if (!answer) throw new Refusal(404, 'resource.not_found', 'Not found')
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
      const { status = 500, code = 'internal', title = String(thrown), detail = '', pointer } = thrown
      if (status === 500 && !(thrown instanceof Refusal)) console.error(thrown)
      response.writeHead(status, { 'Content-Type': 'application/problem+json', ...(status === 503 ? { 'Retry-After': '1' } : {}) })
      response.end(JSON.stringify({ type: `https://switchyard.example/errors/${code}`, title, status, code, detail, pointer, instance: status >= 500 ? `inc_${randomBytes(6).toString('hex')}` : '' }))
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
