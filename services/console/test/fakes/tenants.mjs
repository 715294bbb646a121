// Tenants as those who run the platform see them: made, suspended, closed.
import { randomUUID } from 'node:crypto'
import { people, TENANT } from './data.mjs'
import { iso, Refusal } from './world.mjs'

const NEWEST = 31
/** How long the fake takes to make or delete one. */
const WORK_MS = 1500
const tenant = (slug, name, state, over = {}) => ({ tenant_id: randomUUID(), slug, name, state: `TENANT_STATE_${state}`, plan: 'standard', limits: {}, state_reason: '', created_at: '2026-09-01T08:00:00Z', state_changed_at: '2026-09-01T08:00:02Z', schema: { version: NEWEST, newest: NEWEST, error: '' }, ...over })

export function tenantStore() {
  return {
    all: [tenant('aqua', 'Aqua Valley Water', 'READY', { tenant_id: TENANT }), tenant('mill', 'Mill Street Dairy', 'CLOSED', { schema: undefined, state_reason: 'asked for it' }), tenant('orchard', 'Orchard Homes', 'SUSPENDED', { state_reason: 'unpaid' })],
    /** The digest that the last export of each has. */
    digest: 'a'.repeat(64),
    /** What is being made or deleted, while a test holds it. */
    held: null,
  }
}

/** Ends what was held; from now on work is done by itself, or waits for the next call. */
export function holdTenants(store, on) {
  for (const work of store.held ?? []) work()
  store.held = on ? [] : null
}

export const tenantRoutes = ({ tenants: store }) => {
  const find = (id) => store.all.find((one) => one.tenant_id === id)
  const to = (one, state, state_reason = '') => Object.assign(one, { state: `TENANT_STATE_${state}`, state_reason, state_changed_at: iso() })
  const later = (work) => void (store.held ? store.held.push(work) : setTimeout(work, WORK_MS))
  const need = (one, state) => {
    if (one?.state !== `TENANT_STATE_${state}`) throw new Refusal(409, 'tenant.state_conflict', 'Its state does not allow this')
    return one
  }
  return [
    ['GET', '/api/v1/tenants', 'tenants.read', () => ({ tenants: store.all, next_page_token: '' })],
    ['GET', '/api/v1/plans', 'tenants.read', () => ({ plans: [{ name: 'standard', description: '', limits: {}, changed_by: '' }, { name: 'large', description: '', limits: {}, changed_by: '' }] })],
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
