// Who may do what: roles, departments, positions and their holders, exceptions, and why.
import { body, client, type QueryOf, type Schemas } from './client'

export type Role = Schemas['Role']
export type Department = Schemas['Department']
export type Position = Schemas['Position']
export type Assignment = Schemas['Assignment']
export type Override = Schemas['Override']
export type OverrideState = Schemas['OverrideState']
export type GrantScope = Schemas['GrantScope']
export type Severity = Schemas['Severity']
export type Decision = Schemas['Decision']
export type DecisionRule = Schemas['DecisionRule']
export type Route = Schemas['Route']
export type Member = Schemas['Person']

const PAGE = 200

/** All pages, for lists that the contract keeps small: what names a thing by its id needs them all. */
async function all<T>(page: (token: string) => Promise<{ rows: T[]; nextToken: string }>): Promise<T[]> {
  const rows: T[] = []
  let token = ''
  do {
    const next = await page(token)
    rows.push(...next.rows)
    token = next.nextToken
  } while (token)
  return rows
}
const paged = (token: string) => ({ page_size: PAGE, ...(token ? { page_token: token } : {}) })

export const listMembers = (): Promise<Member[]> =>
  all(async (token) => {
    const answer = await body(client.GET('/api/v1/people', { params: { query: paged(token) } }))
    return { rows: answer.people, nextToken: answer.next_page_token }
  })

export const listPermissions = async (): Promise<string[]> => (await body(client.GET('/api/v1/permissions'))).permissions

export const listRoles = (): Promise<Role[]> =>
  all(async (token) => {
    const answer = await body(client.GET('/api/v1/roles', { params: { query: paged(token) } }))
    return { rows: answer.roles, nextToken: answer.next_page_token }
  })

export const createRole = (role: string, name: string, description: string, permissions: string[]): Promise<Role> =>
  body(client.POST('/api/v1/roles', { body: { role, name, description, permissions } }))

const byRole = (role: string) => ({ params: { path: { role } } })

/** Only what is named changes. */
export const changeRole = (role: string, change: Partial<Pick<Role, 'name' | 'description' | 'permissions'>>): Promise<Role> =>
  body(client.PATCH('/api/v1/roles/{role}', { params: { path: { role }, query: { update_mask: Object.keys(change).join(',') } }, body: change }))

export const deleteRole = (role: string): Promise<unknown> => body(client.DELETE('/api/v1/roles/{role}', byRole(role)))

export const listDepartments = (): Promise<Department[]> =>
  all(async (token) => {
    const answer = await body(client.GET('/api/v1/departments', { params: { query: paged(token) } }))
    return { rows: answer.departments, nextToken: answer.next_page_token }
  })

export const createDepartment = (name: string, parent_id: string): Promise<Department> =>
  body(client.POST('/api/v1/departments', { body: { name, parent_id } }))

export const renameDepartment = (id: string, name: string): Promise<Department> => patchDepartment(id, { name }, 'name')
export const moveDepartment = (id: string, parent_id: string): Promise<Department> => patchDepartment(id, { parent_id }, 'parent_id')

const patchDepartment = (id: string, change: Schemas['DepartmentInput'], update_mask: string): Promise<Department> =>
  body(
    client.PATCH('/api/v1/departments/{department_id}', {
      params: { path: { department_id: id }, query: { update_mask } },
      body: change,
    }),
  )

export const deleteDepartment = (department_id: string): Promise<unknown> =>
  body(client.DELETE('/api/v1/departments/{department_id}', { params: { path: { department_id } } }))

export const listPositions = (): Promise<Position[]> =>
  all(async (token) => {
    const answer = await body(client.GET('/api/v1/positions', { params: { query: paged(token) } }))
    return { rows: answer.positions, nextToken: answer.next_page_token }
  })

export interface PositionDraft {
  title: string
  rank: number
  duty_from: Severity
  duty_kinds: string[]
}

export const createPosition = (department_id: string, draft: PositionDraft): Promise<Position> =>
  body(client.POST('/api/v1/positions', { body: { department_id, ...draft } }))

export const updatePosition = (id: string, draft: PositionDraft): Promise<Position> =>
  body(
    client.PATCH('/api/v1/positions/{position_id}', {
      params: { path: { position_id: id }, query: { update_mask: 'title,rank,duty_from,duty_kinds' } },
      body: draft,
    }),
  )

const byPosition = (position_id: string) => ({ params: { path: { position_id } } })

export const deletePosition = (id: string): Promise<unknown> => body(client.DELETE('/api/v1/positions/{position_id}', byPosition(id)))

export const grantRole = (position_id: string, role: string, scope: GrantScope): Promise<Position> =>
  body(client.PUT('/api/v1/positions/{position_id}/roles/{role}', { params: { path: { position_id, role } }, body: { scope } }))

export const ungrantRole = (position_id: string, role: string): Promise<Position> =>
  body(client.DELETE('/api/v1/positions/{position_id}/roles/{role}', { params: { path: { position_id, role } } }))

export const listAssignments = (position_id: string): Promise<Assignment[]> =>
  all(async (token) => {
    const answer = await body(client.GET('/api/v1/assignments', { params: { query: { ...paged(token), position_id } } }))
    return { rows: answer.assignments, nextToken: answer.next_page_token }
  })

/** Times as whole seconds; null for now, and for no end. */
export const assignPosition = (id: string, principal_id: string, starts_at: string | null, ends_at: string | null): Promise<Assignment> =>
  body(
    client.POST('/api/v1/positions/{position_id}/assignments', {
      ...byPosition(id),
      body: { principal_id, ...(starts_at ? { starts_at } : {}), ...(ends_at ? { ends_at } : {}) },
    }),
  )

export const endAssignment = (assignment_id: string): Promise<Assignment> =>
  body(client.DELETE('/api/v1/assignments/{assignment_id}', { params: { path: { assignment_id } } }))

export async function listOverrides(state: OverrideState | '', token = ''): Promise<{ rows: Override[]; nextToken: string }> {
  const query = { page_size: 50, ...(state ? { state } : {}), ...(token ? { page_token: token } : {}) }
  const answer = await body(client.GET('/api/v1/overrides', { params: { query } }))
  return { rows: answer.overrides, nextToken: answer.next_page_token }
}

export type OverrideDraft = Pick<Override, 'permission' | 'effect' | 'scope' | 'reason'> &
  Partial<Pick<Override, 'principal_id' | 'position_id' | 'department_id'>> & { expires_at: string }

export const requestOverride = (draft: OverrideDraft): Promise<Override> => body(client.POST('/api/v1/overrides', { body: draft }))

const byOverride = (override_id: string) => ({ params: { path: { override_id } } })

export const approveOverride = (id: string): Promise<Override> =>
  body(client.POST('/api/v1/overrides/{override_id}/approval', { ...byOverride(id), body: {} }))

export const refuseOverride = (id: string, reason: string): Promise<Override> =>
  body(client.POST('/api/v1/overrides/{override_id}/refusal', { ...byOverride(id), body: { reason } }))

export const endOverride = (id: string): Promise<Override> => body(client.DELETE('/api/v1/overrides/{override_id}', byOverride(id)))

export interface Question {
  principal_id: string
  permission: string
  department_id: string
  own: boolean
}

export const explain = (question: Question): Promise<Decision> => {
  const { department_id, own, ...rest } = question
  return body(client.GET('/api/v1/decisions', { params: { query: { ...rest, ...(department_id ? { department_id } : {}), ...(own ? { own } : {}) } } }))
}

export const explainOwn = (permission: string): Promise<Decision> => body(client.GET('/api/v1/me/decisions', { params: { query: { permission } } }))

type RouteQuery = QueryOf<'resolveRoute'>

export const resolveRoute = (department_id: string, query: RouteQuery): Promise<Route> =>
  body(client.GET('/api/v1/departments/{department_id}/route', { params: { path: { department_id }, query } }))
