// What goes on in a realtime app: channels, refusals, a trace, and a test event.
import { STREAMED } from './organization.mjs'
import { iso, Refusal } from './world.mjs'

const KIND = { presence: 'PRESENCE', private: 'PRIVATE', encrypted: 'ENCRYPTED', public: 'PUBLIC' }
const kind = (name) => {
  const word = name.startsWith('private-encrypted-') ? 'encrypted' : name.startsWith('private-') ? 'private' : name.startsWith('presence-') ? 'presence' : 'public'
  return `REALTIME_CHANNEL_KIND_${KIND[word]}`
}
const ROOM = 'presence-dispatch'
const NAMES = [
  'cache-prices', ROOM, 'presence-night-shift', 'private-encrypted-payroll',
  ...Array.from({ length: 240 }, (_, n) => `private-order.${String(n + 1).padStart(4, '0')}`), 'public-news',
]
const wave = (n) => Array.from({ length: 12 }, (_, at) => Math.max(0, Math.round(6 * Math.sin((at + n) / 2) + (n % 5))))
const members = Array.from({ length: 140 }, (_, n) => ({ user_id: `crew-${String(n + 1).padStart(3, '0')}`, user_info: JSON.stringify({ name: `Crew ${n + 1}` }), socket_count: 1 + (n % 3 === 0) }))
const instances = { answered: 2, known: 2 }

function channel(name) {
  const at = NAMES.indexOf(name)
  const messages = at < 0 ? Array(12).fill(0) : wave(at)
  const users = name === ROOM ? members.length : 0
  return {
    name, kind: kind(name), cache: name.includes('cache-'), subscription_count: at < 0 ? 0 : Math.max(users, 1 + (at % 7)), user_count: users,
    messages_per_second: (messages[10] + messages[11]) / 10, messages,
  }
}

const refusals = () => [
  { reason: 'signature', channel: 'private-order.0007', detail: 'the signature does not allow this socket to join', code: 401, socket_id: '912.44' },
  { reason: 'members', channel: ROOM, detail: 'as many people are in this channel as may be', code: 403, socket_id: '8812.301' },
  { reason: 'name', channel: 'order 7', detail: 'a channel name has 1 to 200 letters, digits or -_=@,.;', code: 400, socket_id: '77.19' },
  { reason: 'unavailable', channel: 'presence-night-shift', detail: 'who is in this channel cannot be told now; join again', code: 503, socket_id: '5.6' },
  { reason: 'origin', channel: '', detail: 'pages of this origin may not connect', code: 4009, socket_id: '' },
].map((one, n) => ({ at: iso(Date.now() - 9000 * (n + 1)), ...one }))

const blank = { channel: '', event: '', socket_id: '', user_id: '', data: '', data_bytes: 0, withheld: 'REALTIME_DATA_WITHHELD_UNSPECIFIED', left_out: 0 }
const SEEN = [
  { kind: 'CONNECTION', event: 'opened', socket_id: '912.44' },
  { kind: 'SUBSCRIPTION', event: 'joined', channel: 'private-order.0007', socket_id: '912.44' },
  { kind: 'EVENT', event: 'order.shipped', channel: 'private-order.0007', data: '{"order":7,"by":"van 3"}' },
  { kind: 'CLIENT_EVENT', event: 'client-typing', channel: ROOM, socket_id: '8812.301', user_id: 'crew-002', data: '{"on":true}' },
  { kind: 'EVENT', event: 'payslip', channel: 'private-encrypted-payroll', data: '', data_bytes: 212, withheld: 'REALTIME_DATA_WITHHELD_ENCRYPTED' },
  { kind: 'MEMBER', event: 'left', channel: ROOM, user_id: 'crew-131' },
  { kind: 'REFUSAL', event: 'refused', channel: 'private-order.0008', socket_id: '77.19', data: 'signature: the signature does not allow this socket to join' },
]
const EVERY_MS = 150

function shown(raw, filter) {
  const event = { at: iso(), ...blank, ...raw, kind: `REALTIME_TRACE_KIND_${raw.kind}` }
  event.data_bytes ||= Buffer.byteLength(event.data)
  if (raw.kind.endsWith('EVENT') && !filter.withData && event.data) Object.assign(event, { data: '', withheld: 'REALTIME_DATA_WITHHELD_NOT_ASKED' })
  const fits = event.channel.startsWith(filter.prefix) && (!filter.event || (raw.kind.endsWith('EVENT') && event.event === filter.event))
  return fits && (!filter.kinds.length || filter.kinds.includes(event.kind)) ? event : null
}

export function channelStore() {
  return {
    traces: new Set(),
    /** How many events the next trace says it has left out. */
    leftOut: 0,
    coverage: instances,
  }
}

function trace(store, query, { request, response }) {
  const filter = { prefix: query.get('channel_prefix') ?? '', event: query.get('event') ?? '', kinds: query.getAll('kinds'), withData: query.get('with_data') === 'true' }
  const tell = (raw) => {
    const event = shown(raw, filter)
    if (event) response.write(`event: message\ndata: ${JSON.stringify(event)}\n\n`)
  }
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })
  response.write(': keepalive\n\n')
  if (store.leftOut) response.write(`event: message\ndata: ${JSON.stringify({ at: iso(), ...blank, kind: 'REALTIME_TRACE_KIND_LEFT_OUT', left_out: store.leftOut })}\n\n`)
  store.leftOut = 0
  let turn = 0
  const timer = setInterval(() => tell(SEEN[(turn += 1) % SEEN.length]), EVERY_MS)
  const end = () => response.end()
  store.traces.add({ tell, end })
  request.on('close', () => clearInterval(timer))
  response.on('close', () => {
    clearInterval(timer)
    for (const one of store.traces) if (one.tell === tell) store.traces.delete(one)
  })
}

export const channelRoutes = ({ channels: store }) => [
  ['GET', '/api/v1/realtime-apps/:id/activity', 'realtime.manage', ({ id }) => ({
    app_id: id, socket_count: 1284, subscription_count: 3107, channel_count: NAMES.length, published_per_second: 4.2, published: wave(2), client_events_per_second: 0.6, client_events: wave(5), refused_count: 3, instances: store.coverage,
  })],
  ['GET', '/api/v1/realtime-apps/:id/channels', 'realtime.manage', ({ query }) => {
    const all = NAMES.filter((name) => name.startsWith(query.get('prefix') ?? ''))
    const size = Number(query.get('page_size')) || 50
    const from = Number(query.get('page_token') || 0)
    return { channels: all.slice(from, from + size).map(channel), next_page_token: from + size < all.length ? String(from + size) : '', instances: store.coverage }
  }],
  ['GET', '/api/v1/realtime-apps/:id/channels/:sub', 'realtime.manage', ({ sub, query }) => {
    const name = decodeURIComponent(sub)
    const from = Number(query.get('page_token') || 0)
    const size = Number(query.get('page_size')) || 100
    const here = name === ROOM ? members : []
    return { channel: channel(name), holds_event: name.startsWith('cache-'), members: here.slice(from, from + size), next_page_token: from + size < here.length ? String(from + size) : '', instances: store.coverage }
  }],
  ['GET', '/api/v1/realtime-apps/:id/refusals', 'realtime.manage', () => ({ refusals: refusals(), instances: store.coverage })],
  ['GET', '/api/v1/realtime-apps/:id/trace', 'realtime.manage', ({ query, request, response }) => (trace(store, query, { request, response }), STREAMED)],
  ['POST', '/api/v1/realtime-apps/:id/test-events', 'realtime.manage', ({ body }) => {
    if (body.data.length > 10_240) throw new Refusal(413, 'request.too_large', 'The request is larger than the limit.', 'the data of an event has at most 10240 bytes')
    for (const one of store.traces) one.tell({ kind: 'EVENT', event: body.event, channel: body.channel, data: body.data })
    const stand = channel(body.channel)
    return { published_at: iso(), subscription_count: stand.subscription_count, user_count: stand.user_count, took_ms: 3 }
  }],
]
