// The messages as the console works with them: every field present, times as milliseconds.
import { text, time, whole, type Time, type Wire } from './wire'

export type Presence = 'never' | 'online' | 'stale' | 'offline'
export const PRESENCES: readonly Presence[] = ['online', 'stale', 'offline', 'never']

/** `PRESENCE_ONLINE` → `online`; anything unknown is `never`. */
export function presenceOf(wire: string | undefined): Presence {
  const name = (wire ?? '').replace('PRESENCE_', '').toLowerCase()
  return (PRESENCES as readonly string[]).includes(name) ? (name as Presence) : 'never'
}

export interface Me {
  principalId: string
  email: string
  displayName: string
  tenantId: string
  tenantSlug: string
  tenantName: string
  role: string
  permissions: string[]
  /** The tenant requires a second factor and this session was opened without: nothing else is open. */
  secondFactorMissing: boolean
  /** The provider by whose word the session was opened; empty for a sign-in of one's own. */
  identityProviderId: string
}

export function me(wire: Wire['Me']): Me {
  return {
    principalId: text(wire.principal_id),
    email: text(wire.email),
    displayName: text(wire.display_name) || text(wire.email),
    tenantId: text(wire.tenant_id),
    tenantSlug: text(wire.tenant_slug),
    tenantName: text(wire.tenant_name),
    role: text(wire.role),
    permissions: wire.permissions ?? [],
    secondFactorMissing: wire.second_factor_missing ?? false,
    identityProviderId: text(wire.identity_provider_id),
  }
}

export interface Device {
  id: string
  name: string
  externalId: string
  contractId: string
  labels: Record<string, string>
  presence: Presence
  presenceChangedAt: Time
  lastSeenAt: Time
  createdAt: Time
}

export function device(wire: Wire['Device']): Device {
  return {
    id: text(wire.device_id),
    name: text(wire.name),
    externalId: text(wire.external_id),
    contractId: text(wire.contract_id),
    labels: (wire.labels ?? {}) as Record<string, string>,
    presence: presenceOf(wire.presence),
    presenceChangedAt: time(wire.presence_changed_at),
    lastSeenAt: time(wire.last_seen_at),
    createdAt: time(wire.created_at),
  }
}

export type PresenceCounts = Record<Presence, number>

export interface DevicePage {
  devices: Device[]
  nextToken: string
  total: number
  counts: PresenceCounts
}

export function devicePage(wire: Wire['ListDevicesResponse']): DevicePage {
  const counts = wire.presence_counts ?? {}
  return {
    devices: (wire.devices ?? []).map(device),
    nextToken: text(wire.next_page_token),
    total: whole(wire.total_size),
    counts: {
      never: whole(counts.never),
      online: whole(counts.online),
      stale: whole(counts.stale),
      offline: whole(counts.offline),
    },
  }
}

export type JsonSchema = Record<string, unknown>

export interface Metric {
  key: string
  label: string
  unit: string
}

export interface CommandKind {
  name: string
  label: string
  schema: JsonSchema
}

export interface Contract {
  id: string
  name: string
  version: number
  telemetrySchema: JsonSchema
  metrics: Metric[]
  commands: CommandKind[]
}

export function contract(wire: Wire['Contract']): Contract {
  return {
    id: text(wire.contract_id),
    name: text(wire.name),
    version: whole(wire.version),
    telemetrySchema: (wire.telemetry_schema ?? {}) as JsonSchema,
    metrics: (wire.metrics ?? []).map((m) => ({
      key: text(m.key),
      label: text(m.label) || text(m.key),
      unit: text(m.unit),
    })),
    commands: (wire.commands ?? []).map((c) => ({
      name: text(c.name),
      label: text(c.label) || text(c.name),
      schema: (c.arguments_schema ?? {}) as JsonSchema,
    })),
  }
}

export const COMMAND_STATES = [
  'queued', 'dispatched', 'delivered', 'acked', 'running', 'succeeded', 'failed', 'rejected',
  'expired', 'cancelled', 'superseded', 'unknown',
] as const
export type CommandState = (typeof COMMAND_STATES)[number]

/** `COMMAND_STATE_ACKED` → `acked`; anything else is taken for the first state. */
export function commandStateOf(wire: string | undefined): CommandState {
  const name = (wire ?? '').replace('COMMAND_STATE_', '').toLowerCase()
  return (COMMAND_STATES as readonly string[]).includes(name) ? (name as CommandState) : 'queued'
}

export interface CommandEvent {
  state: CommandState
  at: number
  actor: string
  evidence: string
}

export interface Command {
  id: string
  deviceId: string
  name: string
  arguments: Record<string, unknown>
  state: CommandState
  deadline: Time
  createdAt: number
  createdBy: string
  result: Record<string, unknown> | null
  events: CommandEvent[]
}

export function command(wire: Wire['Command']): Command {
  return {
    id: text(wire.command_id),
    deviceId: text(wire.device_id),
    name: text(wire.name),
    arguments: (wire.arguments ?? {}) as Record<string, unknown>,
    state: commandStateOf(wire.state),
    deadline: time(wire.deadline),
    createdAt: time(wire.created_at) ?? 0,
    createdBy: text(wire.created_by),
    result: (wire.result as Record<string, unknown> | null | undefined) ?? null,
    events: (wire.events ?? []).map((e) => ({
      state: commandStateOf(e.state),
      at: time(e.at) ?? 0,
      actor: text(e.actor),
      evidence: text(e.evidence),
    })),
  }
}

export interface Reading {
  messageId: string
  occurredAt: number
  receivedAt: Time
  values: Record<string, unknown>
}

export function reading(wire: Wire['Reading']): Reading {
  return {
    messageId: text(wire.message_id),
    occurredAt: time(wire.occurred_at) ?? 0,
    receivedAt: time(wire.received_at),
    values: (wire.values ?? {}) as Record<string, unknown>,
  }
}

export interface Bucket {
  start: number
  min: number
  max: number
  mean: number
  count: number
}

export function buckets(wire: Wire['Series']): Bucket[] {
  return (wire.buckets ?? []).map((b) => ({
    start: time(b.start) ?? 0,
    min: whole(b.min),
    max: whole(b.max),
    mean: whole(b.mean),
    count: whole(b.count),
  }))
}

export type CertificateState = 'valid' | 'expired' | 'revoking' | 'revoked'

export interface Certificate {
  serial: string
  state: CertificateState
  notBefore: Time
  notAfter: Time
  revokedAt: Time
  /** When the broker had the revocation in force and the device's connections were ended. */
  enforcedAt: Time
  /** When it stops because a newer one took its place; until then both hold. */
  supersededAt: Time
  /** Serial of the one it renewed; empty for one from a claim code. */
  renews: string
}

const CERTIFICATE_STATES: Record<string, CertificateState> = {
  CERTIFICATE_STATE_VALID: 'valid',
  CERTIFICATE_STATE_EXPIRED: 'expired',
  CERTIFICATE_STATE_REVOKING: 'revoking',
  CERTIFICATE_STATE_REVOKED: 'revoked',
}

export function certificate(wire: Wire['DeviceCertificate']): Certificate {
  return {
    serial: text(wire.serial),
    notBefore: time(wire.not_before),
    notAfter: time(wire.not_after),
    revokedAt: time(wire.revoked_at),
    enforcedAt: time(wire.enforced_at),
    supersededAt: time(wire.superseded_at),
    renews: text(wire.renews),
    state: CERTIFICATE_STATES[text(wire.state)] ?? (wire.revoked_at ? 'revoked' : 'valid'),
  }
}

export interface Quarantined {
  id: string
  topic: string
  code: string
  pointer: string
  detail: string
  payload: string
  receivedAt: Time
}

export function quarantined(wire: Wire['QuarantinedMessage']): Quarantined {
  return {
    id: text(wire.message_id),
    topic: text(wire.topic),
    code: text(wire.reason_code),
    pointer: text(wire.pointer),
    detail: text(wire.detail),
    payload: decodePayload(text(wire.payload)),
    receivedAt: time(wire.received_at),
  }
}

/** Base64 to text; bytes that are no UTF-8 stay visible as replacement marks. */
function decodePayload(base64: string): string {
  try {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))
    return new TextDecoder().decode(bytes)
  } catch {
    return base64
  }
}

export interface RealtimeSettings {
  appKey: string
  path: string
  activityTimeoutSeconds: number
}

export function realtimeSettings(wire: Wire['RealtimeSettings']): RealtimeSettings {
  return {
    appKey: text(wire.app_key),
    path: text(wire.path) || '/app',
    activityTimeoutSeconds: whole(wire.activity_timeout_seconds) || 120,
  }
}
