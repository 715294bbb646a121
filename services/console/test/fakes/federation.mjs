// Identity providers, and one that answers at once: its address is the callback itself.
import { randomBytes, randomUUID } from 'node:crypto'
import { people } from './data.mjs'
import { iso, Refusal } from './world.mjs'

const secret = () => randomBytes(12).toString('base64url')

export const federationStore = () => ({
  providers: [provider({ name: 'Aqua Corp', issuer: 'https://login.aqua.example/', client_id: 'switchyard', role_rules: [{ group: 'water-ops', role: 'operator' }, { group: 'water-leads', role: 'owner' }], groups_claim: 'groups', email_domains: ['aqua.example'], create_people: true })],
  links: new Map(),
  begun: new Map(),
  /** What the provider says next: known, stranger or refused. */
  says: 'known',
})

function provider(draft) {
  const provider_id = randomUUID()
  return { provider_id, name: '', issuer: '', client_id: '', scopes: [], groups_claim: '', role_rules: [], default_role: '', email_domains: [], create_people: false, disabled: false, created_at: iso(), redirect_uri: `https://switchyard.example/sign-in/callback/${provider_id}`, ...draft, client_secret: '' }
}

function begin(store, request, provider_id, more) {
  const one = store.providers.find((at) => at.provider_id === provider_id)
  if (!one || one.disabled) return null
  const state = secret()
  const binding = secret()
  store.begun.set(state, { binding, provider_id, ...more })
  const query = new URLSearchParams({ state, iss: one.issuer, ...(store.says === 'refused' ? { error: 'access_denied' } : { code: secret() }) })
  return { authorization_url: `http://${request.headers.host}/sign-in/callback/${provider_id}?${query}`, binding, provider_id }
}

function check(store, { answer }) {
  const begun = store.begun.get(answer.state)
  store.begun.delete(answer.state)
  if (!begun || begun.binding !== answer.binding || begun.provider_id !== answer.provider_id || answer.error || !answer.code) throw new Refusal(401, 'federation.refused', 'The sign-in by the identity provider was not accepted; begin again.')
  return store.providers.find((one) => one.provider_id === begun.provider_id)
}

export const federationRoutes = ({ federation: store, sessions }) => {
  const linksOf = (me) => store.links.get(me.principal_id) ?? []
  const own = (me) => {
    if (me.identity_provider_id) throw new Refusal(403, 'auth.own_sign_in_required', "This is about your own account; sign in to it without the organization's identity provider.")
  }
  return [
    ['GET', '/api/v1/sign-in/providers', null, ({ query }) => ({ providers: query.get('tenant') === 'aqua' ? store.providers.filter((one) => !one.disabled).map(({ provider_id, name }) => ({ provider_id, name })) : [] })],
    ['POST', '/api/v1/sign-in/federated', null, ({ body, request }) => begin(store, request, body.provider_id, {})],
    ['POST', '/api/v1/sign-in/federated/completion', null, ({ body, response }) => {
      const one = check(store, body)
      if (store.says === 'stranger') throw new Refusal(403, 'federation.not_linked', 'No account here is linked to this identity.', 'Sign in with your own password and link it.')
      const token = secret()
      const me = { ...people[1], identity_provider_id: one.provider_id }
      sessions.set(token, me)
      response.setHeader('Set-Cookie', `__Host-yard_session=${token}; Path=/; Secure; HttpOnly; SameSite=Lax`)
      return { principal_id: me.principal_id, tenant_slug: me.tenant_slug, expires_at: iso(Date.now() + 3_600_000), session_token: '' }
    }],
    ['POST', '/api/v1/me/identities', '', ({ me, body, request }) => (own(me), begin(store, request, body.provider_id, {}))],
    ['POST', '/api/v1/me/identities/completion', '', ({ me, body }) => {
      const one = check(store, body)
      const link = { provider_id: one.provider_id, provider_name: one.name, issuer: one.issuer, subject: '00u1f8w2kq', linked_at: iso() }
      store.links.set(me.principal_id, [...linksOf(me), link])
      return link
    }],
    ['GET', '/api/v1/me/identities', '', ({ me }) => ({ identities: linksOf(me) })],
    ['DELETE', '/api/v1/me/identities/:id', '', ({ me, id }) => {
      own(me)
      store.links.set(me.principal_id, linksOf(me).filter((one) => one.provider_id !== id))
      return { provider_id: id }
    }],
    ['GET', '/api/v1/identity-providers', 'tenant.manage', () => ({ identity_providers: store.providers })],
    ['POST', '/api/v1/identity-providers', 'tenant.manage', ({ body }) => (store.providers.push(provider(body)), store.providers.at(-1))],
    ['PATCH', '/api/v1/identity-providers/:id', 'tenant.manage', ({ id, body, query }) => {
      const one = store.providers.find((at) => at.provider_id === id)
      if (!one) return null
      const { client_secret: _sealed, ...named } = Object.fromEntries(query.get('update_mask').split(',').map((path) => [path, body[path]]))
      return Object.assign(one, named, { changed_at: iso() })
    }],
    ['DELETE', '/api/v1/identity-providers/:id', 'tenant.manage', ({ id }) => {
      store.providers = store.providers.filter((one) => one.provider_id !== id)
      return { provider_id: id }
    }],
  ]
}
