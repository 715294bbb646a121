// Passkeys without their cryptography: the browser's virtual authenticator makes and shows them, and
// what it says is held against what was asked.
import { randomBytes, randomUUID } from 'node:crypto'
import { people } from './data.mjs'
import { iso, Refusal } from './world.mjs'

const RP = 'localhost'
const secret = (n = 32) => randomBytes(n).toString('base64url')
const wrong = () => new Refusal(401, 'auth.factor_invalid', 'The code or key was not accepted.')
const handle = (me) => Buffer.from(me.principal_id).toString('base64url')

export const passkeyStore = () => ({ all: [], asked: new Map() })

/** Those of one person. */
const allOf = (store, me) => store.all.filter((one) => one.owner === me.principal_id)

/** Those of them that count here. */
export const passkeysOf = (store, me) => allOf(store, me).filter((one) => !one.of_former_domain)

/** How many there are of a former domain. */
export const formerOf = (store, me) => allOf(store, me).length - passkeysOf(store, me).length

const shown = ({ owner: _owner, credential: _credential, ...one }) => one

/** What a page passes to `navigator.credentials.get`, noted under a token. */
export function ask(store, me, token = secret()) {
  const challenge = secret()
  store.asked.set(token, { challenge, owner: me?.principal_id })
  const allow = me ? passkeysOf(store, me).map((one) => ({ id: one.credential, transports: [] })) : []
  return { challenge_token: token, expires_at: iso(Date.now() + 300_000), options: { challenge, rp_id: RP, allow_credentials: allow, timeout: 60_000, user_verification: 'required' } }
}

/** The passkey that was shown, or a refusal. */
export function check(store, token, assertion) {
  const asked = store.asked.get(token)
  const said = JSON.parse(Buffer.from(assertion?.client_data_json ?? '', 'base64url').toString() || '{}')
  const one = store.all.find((it) => it.credential === assertion?.credential_id && !it.of_former_domain)
  if (!asked || !one || said.challenge !== asked.challenge || said.type !== 'webauthn.get' || (asked.owner && asked.owner !== one.owner) || !assertion.signature) throw wrong()
  one.last_used_at = iso()
  return one
}

/** After those of accounts, which know the other factors. */
export const passkeyRoutes = ({ passkeys: store, accounts, sessions }, opened) => [
  ['POST', '/api/v1/sessions/passkey/challenge', null, () => ask(store, null)],
  ['POST', '/api/v1/sessions/passkey', null, ({ body, response }) => {
    const one = check(store, body.challenge_token, body.assertion)
    const me = people.find((person) => person.principal_id === one.owner)
    // One belongs to two tenants, as in the fake of memberships.
    if (me === people[1] && !body.tenant) throw new Refusal(422, 'request.invalid', 'Something in the request is not valid', '', '/tenant')
    store.asked.delete(body.challenge_token)
    return opened(sessions, me, response)
  }],
  ['POST', '/api/v1/sessions/current/reauthenticate/challenge', '', ({ me }) => ask(store, me)],
  ['GET', '/api/v1/me/factors/passkeys', '', ({ me }) => ({ passkeys: allOf(store, me).map(shown) })],
  ['POST', '/api/v1/me/factors/passkeys/challenge', '', ({ me }) => {
    const token = secret()
    const challenge = secret()
    store.asked.set(token, { challenge, owner: me.principal_id })
    return { challenge_token: token, expires_at: iso(Date.now() + 300_000), options: {
      challenge, rp_id: RP, rp_name: 'Switchyard', user_id: handle(me), user_name: me.email, user_display_name: me.display_name, algorithms: [-8, -7, -257],
      exclude_credentials: passkeysOf(store, me).map((one) => ({ id: one.credential, transports: [] })), timeout: 60_000, attestation: 'none', resident_key: 'required', user_verification: 'required',
    } }
  }],
  ['POST', '/api/v1/me/factors/passkeys', '', ({ me, body }) => {
    const asked = store.asked.get(body.challenge_token)
    const said = JSON.parse(Buffer.from(body.attestation.client_data_json, 'base64url').toString())
    if (!asked || said.challenge !== asked.challenge || said.type !== 'webauthn.create') throw wrong()
    const object = Buffer.from(body.attestation.attestation_object, 'base64url')
    // The authenticator data stands after the key `authData`: hash, flags, counter, AAGUID, then the id with its length.
    const data = object.subarray(object.indexOf('authData') + 8 + 2)
    const length = data.readUInt16BE(53)
    const one = { passkey_id: randomUUID(), name: body.name, created_at: iso(), backup_eligible: false, backed_up: false, transports: body.attestation.transports, of_former_domain: false, rp_id: RP, owner: me.principal_id, credential: data.subarray(55, 55 + length).toString('base64url') }
    const first = !accounts.hasFactor(me)
    store.all.push(one)
    return { passkey: shown(one), factors: accounts.shown(me), recovery_codes: first ? accounts.codes(me) : [] }
  }],
  ['PATCH', '/api/v1/me/factors/passkeys/:id', '', ({ id, body }) => shown(Object.assign(store.all.find((one) => one.passkey_id === id), { name: body.name }))],
  ['DELETE', '/api/v1/me/factors/passkeys/:id', '', ({ me, id }) => {
    store.all = store.all.filter((one) => one.passkey_id !== id)
    return accounts.shown(me)
  }],
]
