// The caller's API tokens.
import { body, client, type Schemas } from './client'

export type ApiToken = Schemas['ApiToken']

export async function listApiTokens(token = ''): Promise<{ rows: ApiToken[]; nextToken: string }> {
  const query = { page_size: 50, ...(token ? { page_token: token } : {}) }
  const answer = await body(client.GET('/api/v1/me/api-tokens', { params: { query } }))
  return { rows: answer.tokens, nextToken: answer.next_page_token }
}

export const createApiToken = (name: string, abilities: string[], days: number): Promise<Schemas['CreateApiTokenResponse']> =>
  body(client.POST('/api/v1/me/api-tokens', { body: { name, abilities, expires_in_days: days } }))

export const revokeApiToken = (token_id: string): Promise<ApiToken> =>
  body(client.DELETE('/api/v1/me/api-tokens/{token_id}', { params: { path: { token_id } } }))
