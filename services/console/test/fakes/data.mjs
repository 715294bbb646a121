// What the fake gateway knows. The same on every start, except for the clock.

export const TENANT = '0197a3c2-5c1e-7d44-9b1f-3a5d2e8c0001'
export const OTHER_TENANT = '0197a3c2-5c1e-7d44-9b1f-3a5d2e8c0002'
export const PASSWORD = 'correct horse battery staple'

const VIEW = ['devices.read', 'telemetry.read', 'people.read', 'rights.read']
const OPERATE = [...VIEW, 'devices.control', 'devices.enroll', 'subscribers.read', 'subscribers.manage']
/** Every permission of a tenant, in the order of the catalogue. */
export const PERMISSIONS = [...OPERATE, 'devices.manage', 'people.manage', 'rights.manage', 'realtime.manage', 'radius.manage', 'audit.read', 'tenant.manage']
export const ROLES = { owner: PERMISSIONS, operator: OPERATE, viewer: VIEW }

const person = (n, email, display_name, role, permissions, tenant = true) => ({
  principal_id: `0197a3c2-5c1e-7d44-9b1f-3a5d2e8c1${String(n).padStart(3, '0')}`,
  email,
  display_name,
  ...(tenant ? { tenant_id: TENANT, tenant_slug: 'aqua', tenant_name: 'Aqua Valley Water' } : {}),
  role,
  permissions,
})

export const people = [
  person(1, 'owner@aqua.example', 'Maren Holt', 'owner', PERMISSIONS),
  person(2, 'operator@aqua.example', 'Idris Bello', 'operator', OPERATE),
  person(3, 'viewer@aqua.example', 'Sun Okada', 'viewer', VIEW),
  person(4, 'admin@switchyard.example', 'Platform', 'system-administrator', ['ops.read', 'ops.manage', 'keys.manage', 'tenants.read', 'tenants.manage', 'ops.break_glass'], false),
]

/** Sign in with a second factor. */
export const guarded = [
  person(9, 'guarded@aqua.example', 'Ines Duarte', 'viewer', VIEW),
  person(8, 'warden@aqua.example', 'Tomas Reyes', 'owner', PERMISSIONS),
]
/** Manages people and holds little else. */
export const clerk = person(7, 'clerk@aqua.example', 'Petra Vogel', 'front-desk', [...VIEW, 'devices.control', 'people.manage'])
/** Looks at the platform and changes nothing. */
export const onlooker = person(5, 'onlooker@switchyard.example', 'On call', 'onlooker', ['ops.read', 'tenants.read'], false)
/** Is asked for a second factor and has none yet. */
export const newcomer = { ...person(6, 'newcomer@aqua.example', 'Leo Brandt', 'viewer', []), second_factor_missing: true }
export const CODE = '246810'
export const RECOVERY_CODE = 'ABCD-EFGH-JKMN-PQRS'

const number = (minimum, maximum) => ({ type: 'number', minimum, maximum })

export const contracts = [
  {
    contract_id: '0197a3c2-5c1e-7d44-9b1f-3a5d2e8c2001',
    name: 'Water flow meter',
    version: 2,
    telemetry_schema: {
      type: 'object',
      properties: { flow: number(0, 400), pressure: number(0, 16) },
      required: ['flow'],
      additionalProperties: false,
    },
    metrics: [
      { key: 'flow', label: 'Water flow', unit: 'L/s' },
      { key: 'pressure', label: 'Pressure', unit: 'bar' },
    ],
    commands: [
      {
        name: 'set_valve',
        label: 'Set valve',
        arguments_schema: {
          type: 'object',
          properties: {
            opening: { type: 'integer', minimum: 0, maximum: 100, title: 'Opening', description: 'Percent', default: 40 },
            ramp: { type: 'string', enum: ['slow', 'normal', 'fast'], default: 'normal' },
            force: { type: 'boolean', title: 'Override the local lock' },
          },
          required: ['opening', 'ramp'],
          additionalProperties: false,
        },
      },
      { name: 'identify', label: 'Identify', arguments_schema: { type: 'object', properties: {}, additionalProperties: false } },
      {
        name: 'set_profile',
        label: 'Set day profile',
        arguments_schema: { type: 'object', properties: { hours: { type: 'array', items: { type: 'number' } } }, required: ['hours'] },
      },
    ],
    created_at: '2026-09-01T08:00:00Z',
  },
  {
    contract_id: '0197a3c2-5c1e-7d44-9b1f-3a5d2e8c2002',
    name: 'Room climate',
    version: 1,
    telemetry_schema: {
      type: 'object',
      properties: { temperature: number(-40, 85), humidity: number(0, 100), co2: number(0, 10000) },
      required: ['temperature'],
    },
    metrics: [
      { key: 'temperature', label: 'Temperature', unit: 'Cel' },
      { key: 'humidity', label: 'Humidity', unit: '%' },
      { key: 'co2', label: 'CO₂', unit: '[ppm]' },
    ],
    commands: [
      {
        name: 'set_interval',
        label: 'Set reporting interval',
        arguments_schema: { type: 'object', properties: { seconds: { type: 'integer', minimum: 1, maximum: 3600 } }, required: ['seconds'] },
      },
    ],
    created_at: '2026-09-01T08:00:00Z',
  },
]

const PLACES = ['Harbour main', 'Hillside reservoir', 'Mill lane', 'North intake', 'Old dairy', 'Pump house', 'Quarry road', 'Station square', 'Upper weir', 'West ring']
const STATES = ['ONLINE', 'ONLINE', 'ONLINE', 'ONLINE', 'ONLINE', 'ONLINE', 'STALE', 'OFFLINE', 'ONLINE', 'NEVER']

const deviceId = (n) => `0197a3c2-6000-7000-8000-${n.toString(16).padStart(12, '0')}`

export function makeDevices(count, now) {
  return Array.from({ length: count }, (_, n) => {
    const state = n === 0 ? 'ONLINE' : STATES[(n * 7 + Math.floor(n / 13)) % STATES.length]
    const heard = { ONLINE: 1000 + (n * 37) % 9000, STALE: 140_000 + n * 90, OFFLINE: 3_600_000 + n * 61_000 }[state]
    const iso = heard === undefined ? undefined : new Date(now - heard).toISOString()
    return {
      device_id: deviceId(n + 1),
      name: `${PLACES[n % PLACES.length]} ${String(Math.floor(n / PLACES.length) + 1).padStart(4, '0')}`,
      ...(n % 3 ? { external_id: `AV-${100_000 + n * 7}` } : {}),
      contract_id: contracts[n % 11 % 3 === 2 ? 1 : 0].contract_id,
      labels: n % 7 % 3 ? { zone: 'abc'[n % 3], line: String(1 + (n % 13 % 6)) } : { zone: 'abc'[n % 3] },
      // A default value is left out, as protobuf's JSON may do.
      presence: `PRESENCE_${state}`,
      ...(iso ? { presence_changed_at: new Date(now - heard - 4_000_000).toISOString(), last_seen_at: iso } : {}),
      created_at: '2026-09-03T10:00:00Z',
      updated_at: '2026-09-03T10:00:00Z',
    }
  }).sort((a, b) => a.name.localeCompare(b.name))
}

/** A believable measurement at a moment: a slow wave, some noise that repeats, a rare spike. */
export function measured(key, at) {
  const t = at / 1000
  const noise = Math.sin(t * 1.7) * 0.6 + Math.sin(t * 0.53 + 2) * 0.4
  const spike = Math.floor(t / 60) % 41 === 7 && t % 60 < 4 ? 1 : 0
  switch (key) {
    case 'flow':
      return round(101 + 9 * Math.sin(t / 700) + 2.2 * noise + spike * 34)
    case 'pressure':
      return round(4.2 + 0.35 * Math.sin(t / 700 + 2.8) + 0.05 * noise - spike * 0.9)
    case 'temperature':
      return round(22.4 + 1.6 * Math.sin(t / 3000) + 0.1 * noise)
    case 'humidity':
      return round(41 + 5 * Math.sin(t / 2500 + 1) + 0.4 * noise)
    default:
      return round(640 + 120 * Math.sin(t / 1900) + 12 * noise)
  }
}
const round = (value) => Math.round(value * 100) / 100

export function series(metric, from, to, buckets, now) {
  const width = (to - from) / buckets
  const out = []
  for (let i = 0; i < buckets; i += 1) {
    const start = from + i * width
    if (start > now) break
    // Somebody pulled the plug for a while, 40 % into the range.
    if (i > buckets * 0.4 && i < buckets * 0.44) continue
    const values = [0.1, 0.4, 0.7, 0.95].map((part) => measured(metric, start + part * width))
    const mean = round(values.reduce((a, b) => a + b) / values.length)
    out.push({ start: new Date(start).toISOString(), min: Math.min(...values), max: Math.max(...values), mean, count: values.length })
  }
  return out
}
