// The unmodified oidc-provider as a tenant's identity provider, and the browser of somebody who
// signs in there. It says where it is, is told where to send browsers back to, and then follows each
// address it is told until the provider sends the browser back. One JSON object or address a line.
//
// node provider.mjs ALGORITHM
import { createServer } from 'node:http'
import { generateKeyPairSync } from 'node:crypto'
import { createInterface } from 'node:readline'
import { Provider } from 'oidc-provider'

// Its notices are not for those who read our lines.
console.info = console.error

const [algorithm] = process.argv.slice(2)
const tell = (what, more = {}) => console.log(JSON.stringify({ what, ...more }))
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const heard = async () => (await lines.next()).value

const kinds = {
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
}
const key = (kid) => ({
  ...generateKeyPairSync(...kinds[algorithm]).privateKey.export({ format: 'jwk' }),
  kid,
  use: 'sig',
  alg: algorithm,
})

const server = createServer()
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const issuer = `http://127.0.0.1:${server.address().port}`
tell('issuer', { issuer })

const redirectUri = await heard()
const groups = 'groups'
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'switch:yard',
      client_secret: 'a secret with / : + and %',
      redirect_uris: [redirectUri],
      response_types: ['code'],
      grant_types: ['authorization_code'],
      id_token_signed_response_alg: algorithm,
    },
  ],
  jwks: { keys: [key('first'), key('second')] },
  enabledJWA: { idTokenSigningAlgValues: [algorithm] },
  cookies: { keys: ['of a test'] },
  conformIdTokenClaims: false,
  claims: { email: ['email', 'email_verified'], profile: ['name'], groups: [groups] },
  scopes: ['openid', 'email', 'profile', groups],
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      name: 'Ann of the provider',
      email: `ann.${algorithm.toLowerCase()}@idp.test`,
      email_verified: true,
      groups: ['crew', 'everybody'],
    }),
  }),
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  // Whoever signs in has consented.
  loadExistingGrant: async (context) => {
    const { client, session, provider: own } = context.oidc
    const grant = new own.Grant({ clientId: client.clientId, accountId: session.accountId })
    grant.addOIDCScope('openid email profile groups')
    await grant.save()
    return grant
  },
})
const pages = provider.callback()
server.on('request', async (request, response) => {
  if (!request.url.startsWith('/interaction/')) return pages(request, response)
  const login = { accountId: 'ann', amr: ['pwd'] }
  await provider.interactionFinished(request, response, { login })
})

// A browser: it follows redirects and keeps cookies.
const walk = async (start) => {
  const jar = new Map()
  let url = start
  for (let step = 0; step < 10; step += 1) {
    if (url.startsWith(redirectUri)) return url
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(url, { redirect: 'manual', headers: { cookie } })
    for (const line of answer.headers.getSetCookie()) {
      const [pair] = line.split(';')
      const at = pair.indexOf('=')
      jar.set(pair.slice(0, at), pair.slice(at + 1))
    }
    const location = answer.headers.get('location')
    if (!location) return `${answer.status} at ${url}`
    url = new URL(location, url).href
  }
  return `lost at ${url}`
}

tell('ready')
for await (const start of lines) tell('sent back', { url: await walk(start) })
