// Every request the console makes, in one place: typed by the gateway's OpenAPI document.
import { body, client, type Schemas } from './client'
import { Problem } from './problem'
import * as ops from './opsTypes'
import * as t from './types'

const PAGE = 500

/** A session's person, or the challenge that a second factor has to answer first. */
export interface Challenge {
  challenge: string
  /** For a passkey; null where there is none. */
  passkey: Schemas['PasskeyRequestOptions'] | null
  /** Whether an authenticator app will do. */
  app: boolean
}
export type SignIn = { me: t.Me } | Challenge

export const login = async (email: string, password: string, tenant: string): Promise<SignIn> => {
  const answer = await body(
    client.POST('/api/v1/sessions', {
      body: { email, password, delivery: 'SESSION_DELIVERY_COOKIE', ...(tenant ? { tenant } : {}) },
    }),
  )
  return answer.challenge
    ? { challenge: answer.challenge.challenge_token, passkey: answer.challenge.passkey ?? null, app: answer.challenge.factors.includes('FACTOR_KIND_TOTP') }
    : { me: t.me(answer.me ?? {}) }
}

/** `code` is six digits of an authenticator app, or a recovery code. */
export const completeLogin = async (challenge: string, code: string): Promise<t.Me> => {
  const proof = /^\d{6}$/.test(code) ? { totp_code: code } : { recovery_code: code }
  const answer = await body(
    client.POST('/api/v1/sessions/second-factor', {
      body: { challenge_token: challenge, delivery: 'SESSION_DELIVERY_COOKIE', ...proof },
    }),
  )
  return t.me(answer.me ?? {})
}

export const logout = async (): Promise<void> => {
  await client.DELETE('/api/v1/sessions/current')
}

export const getMe = async (): Promise<t.Me> => t.me(await body(client.GET('/api/v1/me')))

export const getRealtime = async (): Promise<t.RealtimeSettings> =>
  t.realtimeSettings(await body(client.GET('/api/v1/realtime')))

export interface DeviceFilter {
  prefix: string
  presence: t.Presence | null
}

const presenceWire = {
  never: 'PRESENCE_NEVER',
  online: 'PRESENCE_ONLINE',
  stale: 'PRESENCE_STALE',
  offline: 'PRESENCE_OFFLINE',
} as const

export async function listDevices(
  filter: DeviceFilter,
  pageToken: string,
  signal?: AbortSignal,
  pageSize = PAGE,
): Promise<t.DevicePage> {
  const query = {
    page_size: pageSize,
    ...(pageToken ? { page_token: pageToken } : {}),
    ...(filter.prefix ? { name_prefix: filter.prefix } : {}),
    ...(filter.presence ? { presence: presenceWire[filter.presence] } : {}),
  }
  return t.devicePage(await body(client.GET('/api/v1/devices', { params: { query }, signal })))
}

const byDevice = (device_id: string) => ({ params: { path: { device_id } } })

export const getDevice = async (id: string): Promise<t.Device> =>
  t.device(await body(client.GET('/api/v1/devices/{device_id}', byDevice(id))))

export async function createDevice(
  key: string,
  name: string,
  externalId: string,
  contractId: string,
): Promise<t.Device> {
  const wire = await body(
    client.POST('/api/v1/devices', {
      params: { header: { 'Idempotency-Key': key } },
      body: { name, contract_id: contractId, ...(externalId ? { external_id: externalId } : {}) },
    }),
  )
  return t.device(wire)
}

export const getContract = async (id: string): Promise<t.Contract> =>
  t.contract(await body(client.GET('/api/v1/contracts/{contract_id}', { params: { path: { contract_id: id } } })))

export async function listContracts(): Promise<t.Contract[]> {
  const answer = await body(client.GET('/api/v1/contracts', { params: { query: { page_size: 200 } } }))
  return (answer.contracts ?? []).map(t.contract)
}

export interface ContractDraft {
  name: string
  version: number
  telemetry_schema: Record<string, unknown>
  metrics: { key: string; label: string; unit: string }[]
  commands: { name: string; label: string; arguments_schema: Record<string, unknown> }[]
}

export const createContract = async (key: string, draft: ContractDraft): Promise<t.Contract> =>
  t.contract(
    await body(
      client.POST('/api/v1/contracts', { params: { header: { 'Idempotency-Key': key } }, body: draft }),
    ),
  )

export interface ClaimCode {
  code: string
  expiresAt: number | null
}

export async function createClaimCode(deviceId: string): Promise<ClaimCode> {
  const wire = await body(
    client.POST('/api/v1/devices/{device_id}/claim-codes', { ...byDevice(deviceId), body: {} }),
  )
  return { code: wire.code ?? '', expiresAt: wire.expires_at ? Date.parse(wire.expires_at) : null }
}

export async function listCertificates(deviceId: string): Promise<t.Certificate[]> {
  const answer = await body(client.GET('/api/v1/devices/{device_id}/certificates', byDevice(deviceId)))
  return (answer.certificates ?? []).map(t.certificate)
}

export const revokeCertificate = async (serial: string): Promise<t.Certificate> =>
  t.certificate(
    await body(
      client.POST('/api/v1/certificates/{serial}/revocation', { params: { path: { serial } }, body: {} }),
    ),
  )

export async function latestReading(deviceId: string): Promise<t.Reading | null> {
  try {
    return t.reading(await body(client.GET('/api/v1/devices/{device_id}/readings/latest', byDevice(deviceId))))
  } catch (thrown) {
    // A device that never sent anything has no newest reading.
    if (thrown instanceof Problem && thrown.missing) return null
    throw thrown
  }
}

/** Any reading of the last day; unlike the newest one, its absence is not a fault. */
export async function someReading(deviceId: string): Promise<t.Reading | null> {
  const params = { path: { device_id: deviceId }, query: { page_size: 1 } }
  const answer = await body(client.GET('/api/v1/devices/{device_id}/readings', { params }))
  const found = answer.readings?.[0]
  return found ? t.reading(found) : null
}

export async function getSeries(
  deviceId: string,
  metric: string,
  from: number,
  to: number,
  count: number,
): Promise<t.Bucket[]> {
  const query = { from: new Date(from).toISOString(), to: new Date(to).toISOString(), buckets: count }
  const path = { device_id: deviceId, metric }
  return t.buckets(await body(client.GET('/api/v1/devices/{device_id}/series/{metric}', { params: { path, query } })))
}

export async function listCommands(deviceId: string): Promise<t.Command[]> {
  const answer = await body(client.GET('/api/v1/devices/{device_id}/commands', byDevice(deviceId)))
  return (answer.commands ?? []).map(t.command)
}

export const getCommand = async (id: string): Promise<t.Command> =>
  t.command(await body(client.GET('/api/v1/commands/{command_id}', { params: { path: { command_id: id } } })))

export async function sendCommand(
  key: string,
  deviceId: string,
  name: string,
  args: Record<string, unknown>,
  deadlineSeconds: number,
): Promise<t.Command> {
  const wire = await body(
    client.POST('/api/v1/devices/{device_id}/commands', {
      params: { path: { device_id: deviceId }, header: { 'Idempotency-Key': key } },
      body: { name, arguments: args, deadline_seconds: deadlineSeconds },
    }),
  )
  return t.command(wire)
}

export const cancelCommand = async (id: string): Promise<t.Command> =>
  t.command(
    await body(
      client.POST('/api/v1/commands/{command_id}/cancellation', {
        params: { path: { command_id: id } },
        body: {},
      }),
    ),
  )

export interface Page<T> {
  rows: T[]
  nextToken: string
}

export async function listQuarantine(deviceId: string, pageToken = ''): Promise<Page<t.Quarantined>> {
  const query = { page_size: 50, ...(pageToken ? { page_token: pageToken } : {}) }
  const params = { path: { device_id: deviceId }, query }
  const answer = await body(client.GET('/api/v1/devices/{device_id}/quarantine', { params }))
  return { rows: (answer.messages ?? []).map(t.quarantined), nextToken: answer.next_page_token ?? '' }
}

export async function listQueues(): Promise<ops.Queue[]> {
  return ((await body(client.GET('/api/ops/v1/queues'))).queues ?? []).map(ops.queue)
}

export async function listJobs(pageToken = ''): Promise<Page<ops.Job>> {
  const query = { page_size: 100, ...(pageToken ? { page_token: pageToken } : {}) }
  const answer = await body(client.GET('/api/ops/v1/jobs', { params: { query } }))
  return { rows: (answer.jobs ?? []).map(ops.job), nextToken: answer.next_page_token ?? '' }
}

export async function listSchedules(): Promise<ops.Schedule[]> {
  return ((await body(client.GET('/api/ops/v1/schedules'))).schedules ?? []).map(ops.schedule)
}

export const getLeadership = async (): Promise<ops.Leadership> =>
  ops.leadership(await body(client.GET('/api/ops/v1/leadership')))

const bySchedule = (schedule: string) => ({ params: { path: { schedule } } })

export async function listFires(schedule: string): Promise<ops.Fire[]> {
  const answer = await body(client.GET('/api/ops/v1/schedules/{schedule}/fires', bySchedule(schedule)))
  return (answer.fires ?? []).map(ops.fire)
}

export const runSchedule = async (schedule: string): Promise<ops.Fire> =>
  ops.fire(await body(client.POST('/api/ops/v1/schedules/{schedule}/fires', { ...bySchedule(schedule), body: {} })))
