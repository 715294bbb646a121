// Tenants, for those who run the platform: nothing here shows what is inside one.
import { body, client, type Schemas } from './client'
import { limitsOf, type Limits } from './organization'
import { whole } from './wire'

export type Tenant = Schemas['Tenant']
export type TenantClosure = Schemas['TenantClosure']
export type Plan = Schemas['Plan']
export type TenantChange = Partial<Pick<Tenant, 'plan' | 'limits'>>
export type PlanContent = Pick<Plan, 'description' | 'limits'>

async function tenantPage(page_size: number, token: string): Promise<{ rows: Tenant[]; nextToken: string }> {
  const answer = await body(client.GET('/api/v1/tenants', { params: { query: { page_size, ...(token ? { page_token: token } : {}) } } }))
  return { rows: answer.tenants, nextToken: answer.next_page_token }
}

export const listTenantPage = (token = '') => tenantPage(50, token)

/** All of them, to choose one. */
export async function listTenants(): Promise<Tenant[]> {
  const all: Tenant[] = []
  let token = ''
  do {
    const { rows, nextToken } = await tenantPage(200, token)
    all.push(...rows)
    token = nextToken
  } while (token)
  return all
}

const numbers = (limits: Plan['limits']): Plan['limits'] => Object.fromEntries(Object.entries(limits).map(([name, most]) => [name, whole(most)]))

export const listPlans = async (): Promise<Plan[]> =>
  (await body(client.GET('/api/v1/plans'))).plans.map((one) => ({ ...one, limits: numbers(one.limits) }))

/** Makes it, or replaces what it says. */
export const putPlan = (name: string, content: PlanContent): Promise<Plan> =>
  body(client.PUT('/api/v1/plans/{name}', { params: { path: { name } }, body: content }))

export const createTenant = (slug: string, name: string, plan: string): Promise<Tenant> =>
  body(client.POST('/api/v1/tenants', { body: { slug, name, plan } }))

const byTenant = (tenant_id: string) => ({ params: { path: { tenant_id } } })

export const getTenantLimits = async (id: string): Promise<Limits> =>
  limitsOf(await body(client.GET('/api/v1/tenants/{tenant_id}/limits', byTenant(id))))

/** Only what is named changes; limits are replaced all together. */
export const changeTenant = (tenant_id: string, change: TenantChange): Promise<Tenant> =>
  body(
    client.PATCH('/api/v1/tenants/{tenant_id}', {
      params: { path: { tenant_id }, query: { update_mask: Object.keys(change).join(',') } },
      body: change,
    }),
  )

export const suspendTenant = (id: string, reason: string): Promise<Tenant> =>
  body(client.POST('/api/v1/tenants/{tenant_id}/suspension', { ...byTenant(id), body: { reason } }))

export const resumeTenant = (id: string): Promise<Tenant> => body(client.DELETE('/api/v1/tenants/{tenant_id}/suspension', byTenant(id)))

/** By an export's digest, or null without one. */
export const closeTenant = (id: string, slug: string, reason: string, digest: string | null): Promise<Tenant> =>
  body(
    client.POST('/api/v1/tenants/{tenant_id}/closure', {
      ...byTenant(id),
      body: { slug, reason, ...(digest === null ? { without_export: true } : { export_digest: digest }) },
    }),
  )

export async function getClosure(id: string): Promise<TenantClosure> {
  const proof = await body(client.GET('/api/v1/tenants/{tenant_id}/closure', byTenant(id)))
  return { ...proof, relations: proof.relations.map((one) => ({ ...one, rows: whole(one.rows) })) }
}
