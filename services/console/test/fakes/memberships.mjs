// Who belongs where, and going over. Only one person belongs to more than one organisation.
import { randomBytes } from 'node:crypto'
import { OTHER_TENANT, people, ROLES, TENANT } from './data.mjs'
import { iso, Refusal } from './world.mjs'

const traveller = people[1]
const place = (tenant_id, tenant_slug, tenant_name, role, more = {}) => ({ tenant_id, tenant_slug, tenant_name, role, second_factor_required: false, suspended: false, ...more })
const places = [
  place(TENANT, 'aqua', 'Aqua Valley Water', 'operator'),
  place(OTHER_TENANT, 'harbour', 'Harbour Authority', 'viewer', { second_factor_required: true }),
  place('0197a3c2-5c1e-7d44-9b1f-3a5d2e8c0003', 'orchard', 'Orchard Homes', 'owner', { suspended: true }),
]
const placesOf = (me) => {
  if (me.principal_id === traveller.principal_id) return places
  return me.tenant_id && !me.inside ? [place(me.tenant_id, me.tenant_slug, me.tenant_name, me.role)] : []
}

export const membershipRoutes = ({ sessions }) => [
  ['GET', '/api/v1/me/memberships', '', ({ me }) => ({ memberships: placesOf(me).map((one) => ({ ...one, current: one.tenant_id === me.tenant_id })), next_page_token: '' })],
  ['POST', '/api/v1/sessions/current/tenant', '', ({ me, body, token, response }) => {
    const one = placesOf(me).find((at) => at.tenant_slug === body.tenant)
    if (!one) return null
    if (one.suspended) throw new Refusal(403, 'tenant.suspended', 'The organisation is suspended')
    const fresh = randomBytes(16).toString('base64url')
    const { tenant_id, tenant_slug, tenant_name, role } = one
    sessions.delete(token)
    sessions.set(fresh, { ...me, tenant_id, tenant_slug, tenant_name, role, permissions: ROLES[role] })
    response.setHeader('Set-Cookie', `__Host-yard_session=${fresh}; Path=/; Secure; HttpOnly; SameSite=Lax`)
    return { me: sessions.get(fresh), expires_at: iso(Date.now() + 3_600_000), session_token: '' }
  }],
]
