// Members and invitations, profiles, and the links that mails bring.
import { randomUUID } from 'node:crypto'
import { people } from './data.mjs'
import { iso, Refusal } from './world.mjs'

const DAY = 86_400_000
const gone = () => new Refusal(422, 'link.invalid', 'The link is unknown, used or past its time')

const member = (one, days) => ({ principal_id: one.principal_id, email: one.email, display_name: one.display_name, role: one.role, state: 'PERSON_STATE_ACTIVE', email_verified: true, joined_at: iso(Date.now() - days * DAY) })
const invitation = (email, role, age, state) => ({
  invitation_id: randomUUID(), email, role, state: `INVITATION_STATE_${state}`, invited_by: people[0].display_name,
  created_at: iso(Date.now() - age * DAY), mailed_at: iso(Date.now() - age * DAY), expires_at: iso(Date.now() + (7 - age) * DAY),
})

export function peopleStore() {
  const members = people.filter((one) => one.tenant_id).map((one, n) => member(one, 400 - n * 120))
  members.push({ ...member({ principal_id: randomUUID(), email: 'harbour.night.shift@aqua.example', display_name: 'Harbour night shift', role: 'viewer' }, 12), state: 'PERSON_STATE_DISABLED', email_verified: false })
  return {
    members,
    invitations: [invitation('lena.fischer@aqua.example', 'operator', 2, 'OPEN'), invitation('old.hand@aqua.example', 'viewer', 9, 'EXPIRED')],
    profiles: new Map(),
    /** The secrets of links that were used. */
    used: new Set(),
  }
}

/** A link opens once; any token with the name of its page in front is one. */
function take(store, token, name) {
  if (!token?.startsWith(`${name}-`) || store.used.has(token)) throw gone()
  return token
}

function profileOf(store, me) {
  if (!store.profiles.has(me.principal_id)) store.profiles.set(me.principal_id, { principal_id: me.principal_id, email: me.email, email_verified: me.role !== 'viewer', display_name: me.display_name, locale: '', time_zone: '' })
  return store.profiles.get(me.principal_id)
}

const managing = (store) => {
  const owners = () => store.members.filter((one) => one.role === 'owner').length
  const keepOwner = (one) => {
    if (one.role === 'owner' && owners() === 1) throw new Refusal(409, 'member.last_owner', 'The tenant would be left without an owner', 'Make somebody else an owner first.')
  }
  const find = (id) => store.members.find((one) => one.principal_id === id)
  const open = (id) => store.invitations.find((one) => one.invitation_id === id)
  return [
    ['GET', '/api/v1/people', 'people.read', () => ({ people: store.members, next_page_token: '' })],
    ['POST', '/api/v1/people/:id/role', 'people.manage', ({ id, body }) => {
      if (body.role !== 'owner') keepOwner(find(id))
      return Object.assign(find(id), { role: body.role })
    }],
    ['DELETE', '/api/v1/people/:id', 'people.manage', ({ id }) => {
      keepOwner(find(id))
      store.members.splice(store.members.indexOf(find(id)), 1)
      return {}
    }],
    ['GET', '/api/v1/invitations', 'people.manage', () => ({ invitations: store.invitations, next_page_token: '' })],
    ['POST', '/api/v1/invitations', 'people.manage', ({ body }) => {
      if (store.members.some((one) => one.email === body.email)) throw new Refusal(409, 'resource.exists', 'It is there already', 'The address belongs to a member.')
      store.invitations.unshift(invitation(body.email, body.role, 0, 'OPEN'))
      return store.invitations[0]
    }],
    ['POST', '/api/v1/invitations/:id/mail', 'people.manage', ({ id }) => Object.assign(open(id), { state: 'INVITATION_STATE_OPEN', mailed_at: iso(), expires_at: iso(Date.now() + 7 * DAY) })],
    ['DELETE', '/api/v1/invitations/:id', 'people.manage', ({ id }) => {
      const one = open(id)
      store.invitations.splice(store.invitations.indexOf(one), 1)
      return { ...one, state: 'INVITATION_STATE_WITHDRAWN' }
    }],
  ]
}

const links = (store) => {
  const invited = (token) => {
    const known = token.startsWith('known-')
    return { email: known ? people[1].email : 'lena.fischer@aqua.example', tenant_name: known ? 'Harbour Authority' : 'Aqua Valley Water', role: 'operator', expires_at: iso(Date.now() + 5 * DAY), account_exists: known }
  }
  const use = (token, name) => void store.used.add(take(store, token, name))
  return [
    ['POST', '/api/v1/invitations/show', null, ({ body }) => invited(take(store, body.token, body.token?.startsWith('known-') ? 'known' : 'new'))],
    ['POST', '/api/v1/invitations/accept', null, ({ body }) => {
      use(body.token, 'new')
      return { principal_id: randomUUID(), email: 'lena.fischer@aqua.example', tenant_slug: 'aqua', tenant_name: 'Aqua Valley Water' }
    }],
    ['POST', '/api/v1/invitations/join', '', ({ body, me }) => {
      use(body.token, 'known')
      return { principal_id: me.principal_id, email: me.email, tenant_slug: 'harbour', tenant_name: 'Harbour Authority' }
    }],
    ['POST', '/api/v1/password-resets', null, () => ({})],
    ['POST', '/api/v1/password-resets/complete', null, ({ body }) => (use(body.token, 'reset'), {})],
    ['POST', '/api/v1/email-verifications', null, ({ body }) => (use(body.token, 'verify'), { email: people[2].email })],
    ['POST', '/api/v1/email-changes', null, ({ body }) => (use(body.token, 'change'), { changed: body.token.startsWith('change-last') })],
  ]
}

const own = (store, sessions) => [
  ['GET', '/api/v1/me/profile', '', ({ me }) => profileOf(store, me)],
  ['PATCH', '/api/v1/me/profile', '', ({ me, token, body }) => {
    sessions.set(token, { ...me, display_name: body.display_name })
    return Object.assign(profileOf(store, me), body)
  }],
  ['POST', '/api/v1/me/email-verification', '', () => ({})],
  ['POST', '/api/v1/me/email-change', '', ({ me, body }) => Object.assign(profileOf(store, me), { email_change: { new_email: body.email, expires_at: iso(Date.now() + DAY), confirmed_by_old: true, confirmed_by_new: false } })],
  ['DELETE', '/api/v1/me/email-change', '', ({ me }) => {
    const profile = profileOf(store, me)
    delete profile.email_change
    return profile
  }],
]

export const peopleRoutes = ({ people: store, sessions }) => [...managing(store), ...links(store), ...own(store, sessions)]
