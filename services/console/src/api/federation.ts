// Sign-in by a tenant's identity provider, the providers themselves, and who is linked to them.
import { body, client, type Schemas } from './client'

export type Provider = Schemas['IdentityProvider']
export type ProviderDraft = Omit<Provider, 'provider_id' | 'created_at' | 'changed_at' | 'redirect_uri' | 'disabled'>
export type SignInProvider = Schemas['SignInProvider']
export type LinkedIdentity = Schemas['LinkedIdentity']
export type Begun = Schemas['BeginFederatedSignInResponse']
export type CallbackAnswer = Schemas['CallbackAnswer']

export const listSignInProviders = async (tenant: string): Promise<SignInProvider[]> =>
  (await body(client.GET('/api/v1/sign-in/providers', { params: { query: { tenant } } }))).providers

/** `anew`: the provider shall have the person prove again who they are. */
export const beginSignIn = (provider_id: string, anew: boolean): Promise<Begun> => body(client.POST('/api/v1/sign-in/federated', { body: { provider_id, anew } }))

export const completeSignIn = (answer: CallbackAnswer): Promise<unknown> =>
  body(client.POST('/api/v1/sign-in/federated/completion', { body: { answer, delivery: 'SESSION_DELIVERY_COOKIE' } }))

export const beginLink = (provider_id: string): Promise<Begun> => body(client.POST('/api/v1/me/identities', { body: { provider_id } }))

export const completeLink = (answer: CallbackAnswer): Promise<LinkedIdentity> => body(client.POST('/api/v1/me/identities/completion', { body: { answer } }))

export const listLinks = async (): Promise<LinkedIdentity[]> => (await body(client.GET('/api/v1/me/identities'))).identities

const byProvider = (provider_id: string) => ({ params: { path: { provider_id } } })

export const unlink = (provider_id: string): Promise<unknown> => body(client.DELETE('/api/v1/me/identities/{provider_id}', byProvider(provider_id)))

export const listProviders = async (): Promise<Provider[]> => (await body(client.GET('/api/v1/identity-providers'))).identity_providers

export const createProvider = (draft: ProviderDraft): Promise<Provider> => body(client.POST('/api/v1/identity-providers', { body: draft }))

/** Only what `change` has is changed. */
export const updateProvider = (provider_id: string, change: Partial<ProviderDraft> & { disabled?: boolean }): Promise<Provider> =>
  body(client.PATCH('/api/v1/identity-providers/{provider_id}', { params: { path: { provider_id }, query: { update_mask: Object.keys(change).join(',') } }, body: change }))

export const deleteProvider = (provider_id: string): Promise<unknown> => body(client.DELETE('/api/v1/identity-providers/{provider_id}', byProvider(provider_id)))
