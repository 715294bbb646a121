// The caller's passkeys, and what is proved by one.
import type { Assertion, Attestation } from '@/app/webauthn'
import { body, client, type Schemas } from './client'
import * as t from './types'

export type Passkey = Schemas['Passkey']
export type PasskeyChallenge = Schemas['PasskeyChallenge']

export const listPasskeys = async (): Promise<Passkey[]> => (await body(client.GET('/api/v1/me/factors/passkeys'))).passkeys

export const beginPasskey = (): Promise<Schemas['PasskeyRegistration']> => body(client.POST('/api/v1/me/factors/passkeys/challenge', { body: {} }))

export const addPasskey = (challenge_token: string, name: string, attestation: Attestation): Promise<Schemas['PasskeyAdded']> =>
  body(client.POST('/api/v1/me/factors/passkeys', { body: { challenge_token, name, attestation } }))

const byPasskey = (passkey_id: string) => ({ params: { path: { passkey_id } } })

export const renamePasskey = (id: string, name: string): Promise<Passkey> => body(client.PATCH('/api/v1/me/factors/passkeys/{passkey_id}', { ...byPasskey(id), body: { name } }))

export const removePasskey = (id: string): Promise<unknown> => body(client.DELETE('/api/v1/me/factors/passkeys/{passkey_id}', byPasskey(id)))

export const beginPasskeySignIn = (): Promise<PasskeyChallenge> => body(client.POST('/api/v1/sessions/passkey/challenge', { body: {} }))

export const passkeySignIn = async (challenge_token: string, assertion: Assertion, tenant: string): Promise<t.Me> => {
  const asked = { challenge_token, assertion, delivery: 'SESSION_DELIVERY_COOKIE' as const, ...(tenant ? { tenant } : {}) }
  return t.me((await body(client.POST('/api/v1/sessions/passkey', { body: asked }))).me ?? {})
}

/** After the password: the second factor. */
export const completeByPasskey = async (challenge_token: string, passkey: Assertion): Promise<t.Me> =>
  t.me((await body(client.POST('/api/v1/sessions/second-factor', { body: { challenge_token, passkey, delivery: 'SESSION_DELIVERY_COOKIE' } }))).me ?? {})

export const beginPasskeyProof = (): Promise<PasskeyChallenge> => body(client.POST('/api/v1/sessions/current/reauthenticate/challenge', { body: {} }))

export const proveByPasskey = async (challenge_token: string, assertion: Assertion): Promise<void> => {
  await client.POST('/api/v1/sessions/current/reauthenticate', { body: { passkey: { challenge_token, assertion }, delivery: 'SESSION_DELIVERY_COOKIE' } })
}
