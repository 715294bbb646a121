// Administrators who enter a tenant, as the platform and the tenant's owners see them.
import { randomUUID } from 'node:crypto'
import { people, ROLES, TENANT } from './data.mjs'
import { iso } from './world.mjs'

const HOUR = 3_600_000

export function breakGlassStore() {
  const now = Date.now()
  const admin = people.at(-1)
  const entry = (started, over) => ({ break_glass_id: randomUUID(), tenant_id: TENANT, tenant_slug: 'aqua', principal_id: admin.principal_id, display_name: admin.display_name, permissions: ROLES.viewer, started_at: iso(now - started), expires_at: iso(now - started + HOUR / 2), ended_by: '', ...over })
  return { entries: [
    entry(26 * HOUR, { reason: 'Ticket 4711: readings missing since Monday', ended_at: iso(now - 25.8 * HOUR), ended_by: admin.principal_id }),
    entry(200 * HOUR, { reason: 'Migration check', ended_at: iso(now - 199.5 * HOUR) }),
  ] }
}

export const breakGlassRoutes = ({ breakGlass, sessions }) => {
  const { entries } = breakGlass
  const lasts = (one) => !one.ended_at && one.expires_at > iso()
  /** The session is the administrator's again. */
  const out = (one, by) => {
    if (lasts(one)) Object.assign(one, { ended_at: iso(), ended_by: by })
    for (const [token, me] of sessions) if (me.inside === one) sessions.set(token, people.find((p) => p.principal_id === one.principal_id))
    return one
  }
  return [
    ['POST', '/api/ops/v1/break-glass', 'ops.break_glass', ({ me, body, token }) => {
      const permissions = body.permissions.length ? body.permissions : ROLES.viewer
      const made = { break_glass_id: randomUUID(), tenant_id: body.tenant_id, tenant_slug: 'aqua', principal_id: me.principal_id, display_name: me.display_name, permissions, reason: body.reason, started_at: iso(), expires_at: iso(Date.now() + (body.minutes || 30) * 60_000), ended_by: '' }
      entries.unshift(made)
      const { tenant_slug, tenant_name } = people[0]
      sessions.set(token, { ...me, tenant_id: body.tenant_id, tenant_slug, tenant_name, role: 'break-glass', permissions, inside: made })
      return made
    }],
    ['GET', '/api/ops/v1/break-glass', 'ops.break_glass', () => ({ entries, next_page_token: '' })],
    ['GET', '/api/v1/break-glass', 'tenant.manage', () => ({ entries, next_page_token: '' })],
    ['DELETE', '/api/v1/break-glass/:id', 'tenant.manage', ({ id, me }) => out(entries.find((one) => one.break_glass_id === id), me.principal_id)],
    ['DELETE', '/api/v1/me/break-glass', '', ({ me }) => out(me.inside, me.principal_id)],
    ['GET', '/api/v1/me/decisions', '', ({ me, query }) => ({ principal_id: me.principal_id, permission: query.get('permission'), allowed: true, rules: [], ...(me.inside ? { stands_until: me.inside.expires_at } : {}) })],
  ]
}
