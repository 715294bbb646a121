// The tenant's own settings, its limits, and an export that proves itself.
import { createHash } from 'node:crypto'
import { contracts, guarded, people, TENANT } from './data.mjs'
import { limitsOf } from './tenants.mjs'
import { iso, Refusal } from './world.mjs'

export function organizationStore() {
  return {
    settings: { tenant_id: TENANT, slug: 'aqua', name: 'Aqua Valley Water', time_zone: 'Europe/Berlin', locale: 'en', plan: 'standard', limits: { people: 5 }, created_at: '2026-09-01T08:00:00Z', second_factor_required: false },
    /** What the next export does: whole, broken (no end), changed (a row is another), held (until released). */
    exporting: 'whole',
    release: () => {},
  }
}

const sha = (...lines) => createHash('sha256').update(lines.map((line) => `${line}\n`).join('')).digest('hex')

/** The lines of an export, as the crate yard-export writes them. */
export function exportLines(devices) {
  const header = JSON.stringify({ format: 'switchyard-tenant-export/1', tenant_id: TENANT, slug: 'aqua', taken_at: iso() })
  const tables = [['tenant.departments', []], ['tenant.contracts', contracts], ['tenant.devices', devices.slice(0, 700)], ['platform.memberships', people.filter((one) => one.tenant_id)]]
  const body = tables.map(([relation, rows]) => [relation, rows.map((row) => JSON.stringify({ relation, row }))])
  const relations = body.map(([relation, lines]) => ({ relation, rows: lines.length, sha256: sha(...lines) }))
  const left_out = [{ relation: 'platform.audit_events', reason: 'has an export of its own' }, { relation: 'platform.sessions', reason: 'secrets' }]
  const digest = sha(header, ...relations.map((one) => `${one.relation}\t${one.rows}\t${one.sha256}`), ...left_out.map((one) => `-\t${one.relation}`))
  return [header, ...body.flatMap(([, lines]) => lines), JSON.stringify({ manifest: { relations, left_out, digest } })]
}

async function stream(store, devices, response) {
  const how = store.exporting
  store.exporting = 'whole'
  const lines = exportLines(devices)
  if (how === 'broken') lines.pop()
  if (how === 'changed') lines[4] = lines[4].replace('"name":"', '"name":"x')
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })
  response.write(': keepalive\n\n')
  for (let at = 0; at < lines.length; at += 200) {
    response.write(`event: message\ndata: ${JSON.stringify({ lines: lines.slice(at, at + 200) })}\n\n`)
    if (at === 200 && how === 'held') await new Promise((go) => (store.release = go))
  }
  if (how === 'refused') response.write(`event: error\ndata: ${JSON.stringify({ type: '/errors/service.draining', title: 'The service is shutting down', status: 503, code: 'service.draining', detail: '', instance: 'inc_1' })}\n\n`)
  response.end()
}

export const organizationRoutes = ({ organization: store, tenants, sessions, devices }) => [
  ['GET', '/api/v1/organization', 'people.read', () => store.settings],
  ['PATCH', '/api/v1/organization', 'tenant.manage', ({ body, me }) => {
    if (body.second_factor_required && !guarded.some((one) => one.principal_id === me.principal_id)) throw new Refusal(403, 'auth.second_factor_required', 'A second factor is required', 'Sign in with a second factor before you require one of everybody.')
    Object.assign(store.settings, body)
    for (const [token, one] of sessions) if (one.tenant_id === TENANT) sessions.set(token, { ...one, tenant_name: store.settings.name })
    return store.settings
  }],
  ['GET', '/api/v1/organization/limits', 'people.read', () => limitsOf(tenants, TENANT)],
  ['GET', '/api/v1/organization/export', 'tenant.manage', ({ response }) => (void stream(store, devices, response), STREAMED)],
]

/** An answer that is written already, or is being. */
export const STREAMED = Symbol('streamed')
