// The browser's passkeys, with bytes as the contract has them: base64url without padding.
import type { Schemas } from '@/api/client'
import { Problem } from '@/api/problem'

type RequestOptions = Schemas['PasskeyRequestOptions']
type CreationOptions = Schemas['PasskeyCreationOptions']
export type Assertion = Schemas['PasskeyAssertion']
export type Attestation = Schemas['PasskeyAttestation']

export const hasPasskeys = (): boolean => typeof PublicKeyCredential === 'function'

/** Whether passkeys can be offered among what the browser fills in by itself. */
export const canFillIn = async (): Promise<boolean> => hasPasskeys() && ((await PublicKeyCredential.isConditionalMediationAvailable?.()) ?? false)

export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (one) => one.charCodeAt(0))
}

export function base64url(buffer: ArrayBuffer | null): string {
  const text = Array.from(new Uint8Array(buffer ?? new ArrayBuffer(0)), (one) => String.fromCharCode(one)).join('')
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

const descriptors = (all: Schemas['PasskeyDescriptor'][]): PublicKeyCredentialDescriptor[] =>
  all.map(({ id, transports }) => ({ type: 'public-key', id: bytes(id), ...(transports.length ? { transports: transports as AuthenticatorTransport[] } : {}) }))

/** What the browser says when nothing came of it, in words; anything else goes through. */
function brokenOff(thrown: unknown): unknown {
  if (!(thrown instanceof DOMException)) return thrown
  if (thrown.name === 'InvalidStateError') return new Problem(0, 'console.passkey_known', 'This device holds a passkey of yours already', 'Use another device or security key.', '')
  if (thrown.name === 'SecurityError') return new Problem(0, 'console.passkey_address', 'Passkeys do not work at this address', 'Open the console by its proper name.', '')
  return new Problem(0, 'console.passkey_none', 'No passkey was shown', 'It was broken off, took too long, or there is none here.', '')
}

export async function showPasskey(options: RequestOptions, more: { signal?: AbortSignal; mediation?: CredentialMediationRequirement } = {}): Promise<Assertion> {
  const publicKey: PublicKeyCredentialRequestOptions = {
    challenge: bytes(options.challenge), rpId: options.rp_id, timeout: options.timeout,
    userVerification: options.user_verification as UserVerificationRequirement, allowCredentials: descriptors(options.allow_credentials),
  }
  const shown = (await navigator.credentials.get({ publicKey, ...more }).catch((thrown: unknown) => Promise.reject(brokenOff(thrown)))) as PublicKeyCredential
  const response = shown.response as AuthenticatorAssertionResponse
  return {
    credential_id: base64url(shown.rawId), client_data_json: base64url(response.clientDataJSON), authenticator_data: base64url(response.authenticatorData),
    signature: base64url(response.signature), user_handle: base64url(response.userHandle),
  }
}

export async function makePasskey(options: CreationOptions): Promise<Attestation> {
  const publicKey: PublicKeyCredentialCreationOptions = {
    challenge: bytes(options.challenge), rp: { id: options.rp_id, name: options.rp_name }, timeout: options.timeout,
    user: { id: bytes(options.user_id), name: options.user_name, displayName: options.user_display_name },
    pubKeyCredParams: options.algorithms.map((alg) => ({ type: 'public-key', alg })),
    excludeCredentials: descriptors(options.exclude_credentials), attestation: options.attestation as AttestationConveyancePreference,
    authenticatorSelection: { residentKey: options.resident_key as ResidentKeyRequirement, requireResidentKey: true, userVerification: options.user_verification as UserVerificationRequirement },
  }
  const made = (await navigator.credentials.create({ publicKey }).catch((thrown: unknown) => Promise.reject(brokenOff(thrown)))) as PublicKeyCredential
  const response = made.response as AuthenticatorAttestationResponse
  return { client_data_json: base64url(response.clientDataJSON), attestation_object: base64url(response.attestationObject), transports: response.getTransports?.() ?? [] }
}
