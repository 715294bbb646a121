// The unmodified openid-client against our token issuer. It says what it wants and what it got, one
// JSON object a line; the test plays the person's browser and tells it where that was sent.
//
// node client.mjs ISSUER CLIENT_ID
import { createInterface } from 'node:readline'
import * as openid from 'openid-client'

const [issuer, clientId] = process.argv.slice(2)
const tell = (what, more = {}) => console.log(JSON.stringify({ what, ...more }))
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const heard = async () => (await lines.next()).value

const refused = async (attempt) => {
  try {
    await attempt()
    return 'taken'
  } catch (error) {
    return error.error ?? error.code
  }
}

const config = await openid.discovery(new URL(issuer), clientId, undefined, openid.None(), {
  execute: [openid.allowInsecureRequests],
})

// A port of its own, as an application on a desktop gets one.
const redirect_uri = 'http://127.0.0.1:51004/cb'
const authorize = async () => {
  const pkceCodeVerifier = openid.randomPKCECodeVerifier()
  const expectedState = openid.randomState()
  const expectedNonce = openid.randomNonce()
  const url = openid.buildAuthorizationUrl(config, {
    redirect_uri,
    scope: 'openid profile email offline_access devices.read',
    code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
  })
  tell('authorize', { url: url.href })
  const back = new URL(await heard())
  const checks = { pkceCodeVerifier, expectedState, expectedNonce }
  return { back, checks }
}

const { back, checks } = await authorize()
const tokens = await openid.authorizationCodeGrant(config, back, checks)
const claims = tokens.claims()
const info = await openid.fetchUserInfo(config, tokens.access_token, claims.sub)
tell('signed in', { claims, info, access: tokens.access_token })
await heard()

const next = await openid.refreshTokenGrant(config, tokens.refresh_token)
// The answer was lost, so it asks again.
const again = await openid.refreshTokenGrant(config, tokens.refresh_token)
tell('refreshed', { same: next.refresh_token === again.refresh_token, access: again.access_token })
await heard()

await openid.tokenRevocation(config, again.refresh_token)
const refresh = await refused(() => openid.refreshTokenGrant(config, again.refresh_token))
tell('revoked', { refresh })

const second = await authorize()
const mixed = new URL(second.back)
mixed.searchParams.set('iss', 'https://other.example')
const iss = await refused(() => openid.authorizationCodeGrant(config, mixed, second.checks))
const wrong = { ...second.checks, pkceCodeVerifier: openid.randomPKCECodeVerifier() }
const verifier = await refused(() => openid.authorizationCodeGrant(config, second.back, wrong))
const burnt = await refused(() => openid.authorizationCodeGrant(config, second.back, second.checks))
tell('refused', { iss, verifier, burnt })
process.exit(0)
