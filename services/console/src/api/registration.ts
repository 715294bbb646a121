// How somebody gets an organisation by themselves, where the installation lets them.
import { body, client, type Schemas } from './client'

export type Registration = Schemas['Registration']
export type RegistrationWish = { email: string; display_name: string; tenant_name: string; tenant_slug: string; locale: string }

export const mayRegister = async (): Promise<boolean> => (await body(client.GET('/api/v1/registration'))).open

export const register = (wish: RegistrationWish): Promise<unknown> => body(client.POST('/api/v1/registrations', { body: wish }))

export const showRegistration = (token: string): Promise<Registration> => body(client.POST('/api/v1/registrations/show', { body: { token } }))

export const confirmRegistration = (token: string, password: string, tenant_slug: string): Promise<Registration> =>
  body(client.POST('/api/v1/registrations/confirm', { body: { token, password, tenant_slug } }))

/** With the account that is signed in. */
export const claimRegistration = (token: string, tenant_slug: string): Promise<Registration> =>
  body(client.POST('/api/v1/registrations/claim', { body: { token, tenant_slug } }))
