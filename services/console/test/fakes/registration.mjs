// Organisations that people start by themselves. Each look at one that is confirmed finds it a step on.
import { people } from './data.mjs'
import { iso, Refusal } from './world.mjs'

const KINDS = ['REQUESTED', 'VERIFIED', 'PROVISIONING', 'READY']
const gone = () => new Refusal(422, 'link.invalid', 'The link is unknown, used or past its time')

export const registrationStore = () => ({ open: true, failing: false, held: false, all: new Map() })

function find(store, token) {
  if (!/^(start|mine)-/.test(token ?? '')) throw gone()
  if (!store.all.has(token)) {
    const mine = token.startsWith('mine-')
    store.all.set(token, { done: 1, slug: 'mill-dairy', email: mine ? people[1].email : 'ada@mill.example', name: mine ? people[1].display_name : 'Ada Byrne', exists: mine })
  }
  return store.all.get(token)
}

const shown = (store, one) => ({
  state: `REGISTRATION_STATE_${store.failing && one.done === 3 ? 'FAILED' : KINDS[one.done - 1]}`,
  email: one.email, display_name: one.name, tenant_name: 'Mill Street Dairy', tenant_slug: one.slug, account_exists: one.done === 1 && one.exists, expires_at: iso(Date.now() + 80_000_000),
  steps: KINDS.map((kind, at) => ({ kind: `REGISTRATION_STEP_KIND_${kind}`, ...(at < one.done ? { done_at: iso(Date.now() - 60_000 + at * 1000) } : {}) })),
})

export const registrationRoutes = ({ registration: store }) => {
  const confirm = ({ body }) => {
    const one = find(store, body.token)
    if (body.tenant_slug === 'aqua') throw new Refusal(409, 'resource.exists', 'It is there already')
    Object.assign(one, { done: 2, slug: body.tenant_slug || one.slug })
    return shown(store, one)
  }
  return [
    ['GET', '/api/v1/registration', null, () => ({ open: store.open })],
    ['POST', '/api/v1/registrations', null, () => {
      if (!store.open) throw new Refusal(403, 'registration.closed', 'Nobody registers an organization by themselves here')
      return {}
    }],
    ['POST', '/api/v1/registrations/show', null, ({ body }) => {
      const one = find(store, body.token)
      if (one.done > 1 && one.done < 4 && !store.held && !(store.failing && one.done === 3)) one.done += 1
      return shown(store, one)
    }],
    ['POST', '/api/v1/registrations/confirm', null, confirm],
    ['POST', '/api/v1/registrations/claim', '', ({ body, me }) => {
      if (find(store, body.token).email !== me.email) throw new Refusal(403, 'auth.forbidden', 'Not allowed')
      return confirm({ body })
    }],
  ]
}
