// What arrives on a channel. Each event carries its device and the time it tells of.
import { commandStateOf, presenceOf, type CommandState, type Presence } from '@/api/types'

export interface TelemetryEvent {
  deviceId: string
  messageId: string
  occurredAt: number
  receivedAt: number | null
  values: Record<string, unknown>
}

export interface CommandChange {
  deviceId: string
  commandId: string
  name: string
  state: CommandState
  at: number
  evidence: string
}

export interface PresenceChange {
  deviceId: string
  presence: Presence
  at: number
}

type Data = Record<string, unknown>

const text = (data: Data, key: string): string => (typeof data[key] === 'string' ? data[key] : '')
const time = (data: Data, key: string): number | null => {
  const at = Date.parse(text(data, key))
  return Number.isNaN(at) ? null : at
}

function object(value: unknown): Data | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Data) : null
}

/** `null` for anything that is not a reading: an unknown shape must not break the page. */
export function telemetryEvent(raw: unknown): TelemetryEvent | null {
  const data = object(raw)
  const values = data && object(data.values)
  const occurredAt = data && time(data, 'occurred_at')
  if (!data || !values || occurredAt === null) return null
  return {
    deviceId: text(data, 'device_id'),
    messageId: text(data, 'message_id'),
    occurredAt,
    receivedAt: time(data, 'received_at'),
    values,
  }
}

export function commandChange(raw: unknown): CommandChange | null {
  const data = object(raw)
  const at = data && time(data, 'at')
  if (!data || at === null || !text(data, 'command_id')) return null
  return {
    deviceId: text(data, 'device_id'),
    commandId: text(data, 'command_id'),
    name: text(data, 'name'),
    state: commandStateOf(text(data, 'state')),
    at,
    evidence: text(data, 'evidence'),
  }
}

export function presenceChange(raw: unknown): PresenceChange | null {
  const data = object(raw)
  const at = data && time(data, 'at')
  if (!data || at === null) return null
  return { deviceId: text(data, 'device_id'), presence: presenceOf(text(data, 'presence')), at }
}

export const tenantChannel = (tenantId: string): string => `private-organization.${tenantId}`
export const deviceChannel = (tenantId: string, deviceId: string): string =>
  `private-organization.${tenantId}.device.${deviceId}`
