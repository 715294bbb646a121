// Programs that act in people's names.
import { body, client, type Schemas } from './client'

export type OauthClient = Schemas['OauthClient']

export async function listOauthClients(token = ''): Promise<{ rows: OauthClient[]; nextToken: string }> {
  const query = { page_size: 50, ...(token ? { page_token: token } : {}) }
  const answer = await body(client.GET('/api/v1/oauth-clients', { params: { query } }))
  return { rows: answer.clients, nextToken: answer.next_page_token }
}

export interface OauthClientDraft {
  name: string
  redirect_uris: string[]
  abilities: string[]
  first_party: boolean
}

export const createOauthClient = (draft: OauthClientDraft): Promise<OauthClient> => body(client.POST('/api/v1/oauth-clients', { body: draft }))

export const deleteOauthClient = (client_id: string): Promise<OauthClient> =>
  body(client.DELETE('/api/v1/oauth-clients/{client_id}', { params: { path: { client_id } } }))
