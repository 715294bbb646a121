// What an OAuth client asks a person for, and their answer.
import { body, client, type Schemas } from './client'

export type Authorization = Schemas['Authorization']

/** `query` is the authorization request as it came. */
export const describeAuthorization = (query: string): Promise<Authorization> =>
  body(client.POST('/api/v1/me/authorization', { body: { query } }))

export const decideAuthorization = (query: string, approve: boolean): Promise<Schemas['DecideAuthorizationResponse']> =>
  body(client.POST('/api/v1/me/authorization/decision', { body: { query, approve } }))
