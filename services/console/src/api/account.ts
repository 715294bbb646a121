// The caller's sessions, second factors, and the proof of who they are.
import { body, client, type Schemas } from './client'

export type Session = Schemas['Session']
export type Factors = Schemas['Factors']

export async function listSessions(token = ''): Promise<{ rows: Session[]; nextToken: string }> {
  const query = { page_size: 50, ...(token ? { page_token: token } : {}) }
  const answer = await body(client.GET('/api/v1/me/sessions', { params: { query } }))
  return { rows: answer.sessions, nextToken: answer.next_page_token }
}

export const revokeSession = async (session_id: string): Promise<void> => {
  await client.DELETE('/api/v1/me/sessions/{session_id}', { params: { path: { session_id } } })
}

export const revokeOtherSessions = async (): Promise<number> =>
  (await body(client.POST('/api/v1/me/sessions/revoke-others', { body: {} }))).ended

/** `code` is six digits of an authenticator app, or a recovery code. */
const proofOf = (code: string) => (/^\d{6}$/.test(code) ? { totp_code: code } : { recovery_code: code })

/** Shows the password, or a code where there is a second factor. */
export async function reauthenticate(proof: { password: string } | { code: string }): Promise<void> {
  const shown = 'password' in proof ? proof : proofOf(proof.code)
  await client.POST('/api/v1/sessions/current/reauthenticate', { body: { ...shown, delivery: 'SESSION_DELIVERY_COOKIE' } })
}

/** Ends all other sessions; how many there were. */
export const changePassword = async (current_password: string, new_password: string): Promise<number> =>
  (await body(client.POST('/api/v1/me/password', { body: { current_password, new_password, delivery: 'SESSION_DELIVERY_COOKIE' } }))).ended

/** Whether a recovery code is asked for in the place of passkeys that the console's domain knows nothing of. */
export const codesStandIn = (factors: Factors | null): boolean => (factors?.former_passkeys ?? 0) > 0 && (factors?.recovery_codes_left ?? 0) > 0

export const getFactors = (): Promise<Factors> => body(client.GET('/api/v1/me/factors'))

export const beginTotp = (): Promise<Schemas['TotpEnrollment']> => body(client.POST('/api/v1/me/factors/totp', { body: {} }))

export const confirmTotp = (code: string): Promise<Schemas['FactorChange']> =>
  body(client.POST('/api/v1/me/factors/totp/confirm', { body: { code } }))

export const removeTotp = (): Promise<Factors> => body(client.DELETE('/api/v1/me/factors/totp'))

export const newRecoveryCodes = (): Promise<Schemas['FactorChange']> =>
  body(client.POST('/api/v1/me/factors/recovery-codes', { body: {} }))
