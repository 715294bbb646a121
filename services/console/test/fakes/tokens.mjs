// API tokens of whoever asks.
import { randomBytes, randomUUID } from 'node:crypto'
import { iso } from './world.mjs'

const bytes = (n) => randomBytes(n).toString('base64url')

export function tokenRoutes() {
  const all = []
  const mine = (me) => all.filter((one) => one.owner === me.principal_id).map(({ owner: _owner, ...token }) => token)
  return [
    ['GET', '/api/v1/me/api-tokens', '', ({ me }) => ({ tokens: mine(me), next_page_token: '' })],
    ['POST', '/api/v1/me/api-tokens', '', ({ me, body }) => {
      const token = { token_id: randomUUID(), name: body.name, abilities: body.abilities, created_at: iso(), expires_at: iso(Date.now() + body.expires_in_days * 86_400_000 + 5000) }
      all.unshift({ ...token, owner: me.principal_id })
      return { token, secret: `ypt_${bytes(9)}_${bytes(32)}_${bytes(4)}` }
    }],
    ['DELETE', '/api/v1/me/api-tokens/:id', '', ({ id }) => Object.assign(all.find((one) => one.token_id === id), { revoked_at: iso() })],
  ]
}
