// Members of the tenant, and how others become members.
import { body, client, type Schemas } from './client'

export type Person = Schemas['Person']
export type Invitation = Schemas['Invitation']
export type OpenInvitation = Schemas['OpenInvitation']
export type Joined = Schemas['AcceptInvitationResponse']

const page = (token: string) => ({ params: { query: { page_size: 50, ...(token ? { page_token: token } : {}) } } })

export async function listPeople(token = ''): Promise<{ rows: Person[]; nextToken: string }> {
  const answer = await body(client.GET('/api/v1/people', page(token)))
  return { rows: answer.people, nextToken: answer.next_page_token }
}

const byPerson = (principal_id: string) => ({ params: { path: { principal_id } } })

export const changeRole = (id: string, role: string): Promise<Person> =>
  body(client.POST('/api/v1/people/{principal_id}/role', { ...byPerson(id), body: { role } }))

export const removePerson = (id: string): Promise<unknown> => body(client.DELETE('/api/v1/people/{principal_id}', byPerson(id)))

export async function listInvitations(token = ''): Promise<{ rows: Invitation[]; nextToken: string }> {
  const answer = await body(client.GET('/api/v1/invitations', page(token)))
  return { rows: answer.invitations, nextToken: answer.next_page_token }
}

export const createInvitation = (email: string, role: string, locale: string): Promise<Invitation> =>
  body(client.POST('/api/v1/invitations', { body: { email, role, ...(locale ? { locale } : {}) } }))

const byInvitation = (invitation_id: string) => ({ params: { path: { invitation_id } } })

export const resendInvitation = (id: string): Promise<Invitation> =>
  body(client.POST('/api/v1/invitations/{invitation_id}/mail', { ...byInvitation(id), body: {} }))

export const withdrawInvitation = (id: string): Promise<Invitation> => body(client.DELETE('/api/v1/invitations/{invitation_id}', byInvitation(id)))

export const showInvitation = (token: string): Promise<OpenInvitation> => body(client.POST('/api/v1/invitations/show', { body: { token } }))

export const acceptInvitation = (token: string, display_name: string, password: string): Promise<Joined> =>
  body(client.POST('/api/v1/invitations/accept', { body: { token, display_name, password } }))

export const joinTenant = (token: string): Promise<Joined> => body(client.POST('/api/v1/invitations/join', { body: { token } }))
