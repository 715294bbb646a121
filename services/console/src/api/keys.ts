// The keys that sign people's access tokens.
import { body, client, type Schemas } from './client'

export type SigningKey = Schemas['SigningKey']

export async function listKeys(token = ''): Promise<{ rows: SigningKey[]; nextToken: string }> {
  const query = { page_size: 50, ...(token ? { page_token: token } : {}) }
  const answer = await body(client.GET('/api/v1/keys', { params: { query } }))
  return { rows: answer.keys, nextToken: answer.next_page_token }
}

export const rotateKeys = (emergency: boolean): Promise<Schemas['SigningKeyChange']> =>
  body(client.POST('/api/v1/keys/rotate', { body: { emergency } }))

export const revokeKey = (kid: string, reason: string): Promise<Schemas['SigningKeyChange']> =>
  body(client.POST('/api/v1/keys/{kid}/revoke', { params: { path: { kid } }, body: { reason } }))
