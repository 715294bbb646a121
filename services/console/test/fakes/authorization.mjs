// What an OAuth client asks for. The request's query says how the fake is to answer.
const asked = (query) => new URLSearchParams(query)

export function authorizationRoutes() {
  return [
    ['POST', '/api/v1/me/authorization', '', ({ body }) => ({
      client_id: asked(body.query).get('client_id'),
      client_name: 'Field app',
      abilities: ['devices.read'],
      profile: true,
      email: false,
      offline: true,
      consent_required: !asked(body.query).has('own'),
      max_auth_age_seconds: 0,
    })],
    ['POST', '/api/v1/me/authorization/decision', '', ({ body }) => ({
      client_id: asked(body.query).get('client_id'),
      redirect_to: `/errors/${body.approve ? 'allowed' : 'refused'}?state=${asked(body.query).get('state')}`,
    })],
  ]
}
