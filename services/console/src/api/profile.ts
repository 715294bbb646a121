// What a person knows and changes of themselves, and what a link from a mail lets them do.
import { body, client, type Schemas } from './client'

export type Profile = Schemas['Profile']
export type ProfileDraft = Pick<Profile, 'display_name' | 'locale' | 'time_zone'>

export const getProfile = (): Promise<Profile> => body(client.GET('/api/v1/me/profile'))

export const updateProfile = (profile: ProfileDraft): Promise<Profile> =>
  body(client.PATCH('/api/v1/me/profile', { params: { query: { update_mask: 'display_name,locale,time_zone' } }, body: profile }))

export const requestEmailVerification = (): Promise<unknown> => body(client.POST('/api/v1/me/email-verification', { body: {} }))

export const requestEmailChange = (email: string): Promise<Profile> => body(client.POST('/api/v1/me/email-change', { body: { email } }))

export const cancelEmailChange = (): Promise<Profile> => body(client.DELETE('/api/v1/me/email-change'))

export const requestPasswordReset = (email: string): Promise<unknown> => body(client.POST('/api/v1/password-resets', { body: { email } }))

export const resetPassword = (token: string, password: string): Promise<unknown> =>
  body(client.POST('/api/v1/password-resets/complete', { body: { token, password } }))

export const verifyEmail = (token: string): Promise<Schemas['VerifyEmailResponse']> =>
  body(client.POST('/api/v1/email-verifications', { body: { token } }))

export const confirmEmailChange = (token: string): Promise<Schemas['ConfirmEmailChangeResponse']> =>
  body(client.POST('/api/v1/email-changes', { body: { token } }))
