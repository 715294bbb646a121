// The tenant one is in: its settings, what it may have, and everything it has.
import { body, client, type Schemas } from './client'
import { whole } from './wire'

export type Organization = Schemas['Organization']
export type OrganizationChange = Partial<Pick<Organization, 'name' | 'time_zone' | 'locale' | 'second_factor_required'>>
export type LimitUse = Schemas['LimitUse']
export type Limits = Schemas['TenantLimits']

export const getOrganization = (): Promise<Organization> => body(client.GET('/api/v1/organization'))

/** Only what is named changes. */
export const changeOrganization = (change: OrganizationChange): Promise<Organization> =>
  body(client.PATCH('/api/v1/organization', { params: { query: { update_mask: Object.keys(change).join(',') } }, body: change }))

export const limitsOf = ({ plan, limits }: Limits): Limits => ({ plan, limits: limits.map((one) => ({ ...one, most: whole(one.most), used: whole(one.used) })) })

export const getLimits = async (): Promise<Limits> => limitsOf(await body(client.GET('/api/v1/organization/limits')))

/** Server-sent events; each message holds lines of the export. */
export async function openExport(signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const { data } = await client.GET('/api/v1/organization/export', { parseAs: 'stream', signal })
  if (!data) throw new Error('an answer without a body')
  return data as ReadableStream<Uint8Array>
}
