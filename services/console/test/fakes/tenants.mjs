// Tenants as those who run the platform see them: made, suspended, closed, and what each may have.
import { randomUUID } from 'node:crypto'
import { people, TENANT } from './data.mjs'
import { iso, Refusal } from './world.mjs'

const NEWEST = 31
/** How long the fake takes to make or delete one. */
const WORK_MS = 1500
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/
/** Name, what is counted, who refuses one more. */
const LIMITS = [
  ['api_tokens', 'API tokens in force, of all members together', 'auth'],
  ['commands_per_day', 'commands accepted since midnight UTC', 'device-ingest'],
  ['contracts', 'contracts, each version for itself', 'device-ingest'],
  ['devices', 'registered devices', 'device-ingest'],
  ['people', 'members', 'auth'],
]
const ORCHARD = '0197a3c2-5c1e-7d44-9b1f-3a5d2e8c0003'

const tenant = (slug, name, state, over = {}) => ({ tenant_id: randomUUID(), slug, name, state: `TENANT_STATE_${state}`, plan: 'standard', limits: {}, state_reason: '', created_at: '2026-09-01T08:00:00Z', state_changed_at: '2026-09-01T08:00:02Z', schema: { version: NEWEST, newest: NEWEST, error: '' }, ...over })
const plan = (name, description, limits, changed_by = '') => ({ name, description, limits, changed_at: '2026-09-01T08:00:00Z', changed_by })

export function tenantStore() {
  return {
    all: [tenant('aqua', 'Aqua Valley Water', 'READY', { tenant_id: TENANT, limits: { people: 5 } }), tenant('mill', 'Mill Street Dairy', 'CLOSED', { schema: undefined, state_reason: 'asked for it' }), tenant('orchard', 'Orchard Homes', 'SUSPENDED', { tenant_id: ORCHARD, state_reason: 'unpaid' })],
    plans: [
      plan('large', 'For the whole valley', { devices: 100_000, people: 500 }, 'person:0197a3c2-5c1e-7d44-9b1f-3a5d2e8c1777'),
      plan('standard', 'What most have', { api_tokens: 20, contracts: 10, devices: 9000 }),
      plan('trial', 'To try it out.', { api_tokens: 20, commands_per_day: 1000, contracts: 10, devices: 25, people: 5 }),
    ],
    /** What is in use, by tenant; nothing where none is told. */
    uses: { [TENANT]: { api_tokens: 17, commands_per_day: 1842, contracts: 2, devices: 10_000, people: 5 }, [ORCHARD]: { commands_per_day: 310, contracts: 4, devices: 120, people: 3 } },
    /** The digest that the last export of each has. */
    digest: 'a'.repeat(64),
    /** What is being made or deleted, while a test holds it. */
    held: null,
  }
}

const known = (store, id) => {
  const one = store.all.find((it) => it.tenant_id === id)
  if (!one) throw new Refusal(404, 'tenant.unknown', 'There is no such tenant')
  return one
}

/** What a tenant may have at most, and what it has. */
export function limitsOf(store, id) {
  const one = known(store, id)
  const given = store.plans.find((it) => it.name === one.plan).limits
  const limits = LIMITS.map(([name, meaning, holder]) => {
    const [source, most] = name in one.limits ? ['TENANT', one.limits[name]] : name in given ? ['PLAN', given[name]] : ['NONE', 0]
    return { name, meaning, holder, source: `LIMIT_SOURCE_${source}`, most, used: store.uses[id]?.[name] ?? 0 }
  })
  return { plan: one.plan, limits }
}

const invalid = (detail, pointer) => new Refusal(422, 'request.invalid', 'The request has a value that is not allowed', detail, pointer)

function checkLimits(limits = {}) {
  for (const [name, number] of Object.entries(limits)) {
    if (!LIMITS.some(([one]) => one === name)) throw invalid(`there is a limit for ${LIMITS.map(([one]) => one).join(', ')} and nothing else`, '/limits')
    if (number < 0) throw invalid('a limit has to be 0 or more', `/limits/${name}`)
  }
  return limits
}

const limitRoutes = (store) => [
  ['PATCH', '/api/v1/tenants/:id', 'tenants.manage', ({ id, query, body }) => {
    const paths = query.get('update_mask')?.split(',') ?? Object.keys(body)
    if (paths.some((path) => !['plan', 'limits'].includes(path))) throw invalid('update_mask may name plan, limits', '/update_mask')
    const change = Object.fromEntries(paths.map((path) => [path, path === 'limits' ? checkLimits(body.limits) : body.plan || 'standard']))
    if (change.plan && !store.plans.some((one) => one.name === change.plan)) throw invalid('there is no plan of that name', '/plan')
    if (known(store, id).state.endsWith('CLOSED')) throw new Refusal(409, 'tenant.state_conflict', 'Its state does not allow this')
    return Object.assign(known(store, id), change)
  }],
  ['GET', '/api/v1/tenants/:id/limits', 'tenants.read', ({ id }) => limitsOf(store, id)],
  ['GET', '/api/v1/plans', 'tenants.read', () => ({ plans: store.plans })],
  ['PUT', '/api/v1/plans/:id', 'tenants.manage', ({ id, body, me }) => {
    if (!LABEL.test(id)) throw invalid('plan has to be 1 to 32 lower-case letters, digits and hyphens', '/plan')
    const description = (body.description ?? '').trim()
    if (Buffer.byteLength(description) > 500) throw invalid('description may be 500 bytes on one line', '/description')
    const made = { ...plan(id, description, checkLimits(body.limits), `person:${me.principal_id}`), changed_at: iso() }
    store.plans = [...store.plans.filter((one) => one.name !== id), made].sort((a, b) => a.name.localeCompare(b.name))
    return made
  }],
]

export const tenantRoutes = ({ tenants: store }) => {
  const find = (id) => store.all.find((one) => one.tenant_id === id)
  const to = (one, state, state_reason = '') => Object.assign(one, { state: `TENANT_STATE_${state}`, state_reason, state_changed_at: iso() })
  const later = (work) => void (store.held ? store.held.push(work) : setTimeout(work, WORK_MS))
  const need = (one, state) => {
    if (one?.state !== `TENANT_STATE_${state}`) throw new Refusal(409, 'tenant.state_conflict', 'Its state does not allow this')
    return one
  }
  return [
    ...limitRoutes(store),
    ['GET', '/api/v1/tenants', 'tenants.read', () => ({ tenants: store.all, next_page_token: '' })],
    ['POST', '/api/v1/tenants', 'tenants.manage', ({ body }) => {
      if (store.all.some((one) => one.slug === body.slug)) throw new Refusal(409, 'resource.exists', 'It is there already', 'The slug is taken.')
      const made = tenant(body.slug, body.name, 'PROVISIONING', { plan: body.plan, state_changed_at: iso(), schema: { version: 12, newest: NEWEST, error: '' } })
      store.all.push(made)
      later(() => Object.assign(to(made, 'READY'), { schema: { version: NEWEST, newest: NEWEST, error: '' } }))
      return made
    }],
    ['POST', '/api/v1/tenants/:id/suspension', 'tenants.manage', ({ id, body }) => to(need(find(id), 'READY'), 'SUSPENDED', body.reason)],
    ['DELETE', '/api/v1/tenants/:id/suspension', 'tenants.manage', ({ id }) => to(need(find(id), 'SUSPENDED'), 'READY')],
    ['POST', '/api/v1/tenants/:id/closure', 'tenants.manage', ({ id, body }) => {
      const one = need(find(id), 'SUSPENDED')
      if (!body.without_export && body.export_digest !== store.digest) throw new Refusal(409, 'tenant.export_missing', 'There is no such export', 'No export of the last 24 hours has this digest.')
      later(() => to(one, 'CLOSED', body.reason))
      return to(one, 'CLOSING', body.reason)
    }],
    ['GET', '/api/v1/tenants/:id/closure', 'tenants.read', ({ id }) => ({ tenant_id: id, slug: find(id).slug, closed_at: find(id).state_changed_at, closed_by: `person:${people.at(-1).principal_id}`, relations: [{ relation: 'tenant.devices', rows: 1200 }, { relation: 'tenant.contracts', rows: 2 }, { relation: 'series.readings', rows: 48_211_904 }], digest: 'c'.repeat(64), export_digest: store.digest })],
  ]
}
