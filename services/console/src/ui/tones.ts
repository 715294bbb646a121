import type { CommandState, Presence } from '@/api/types'

/** `none` is the absence of any state: nothing was heard or has happened yet. */
export type Tone = 'ok' | 'warn' | 'crit' | 'flight' | 'off' | 'none'

export const presenceTone: Record<Presence, Tone> = {
  online: 'ok',
  stale: 'warn',
  offline: 'off',
  never: 'none',
}

export const presenceWord: Record<Presence, string> = {
  online: 'Online',
  stale: 'Stale',
  offline: 'Offline',
  never: 'Never seen',
}

export const commandTone: Record<CommandState, Tone> = {
  queued: 'flight',
  dispatched: 'flight',
  delivered: 'flight',
  acked: 'flight',
  running: 'flight',
  succeeded: 'ok',
  failed: 'crit',
  rejected: 'crit',
  expired: 'warn',
  unknown: 'warn',
  cancelled: 'off',
  superseded: 'off',
}

export const commandWord: Record<CommandState, string> = {
  queued: 'Stored',
  dispatched: 'Handed to the broker',
  delivered: 'Received by the device',
  acked: 'Accepted by the device',
  running: 'Running',
  succeeded: 'Succeeded',
  failed: 'Failed',
  rejected: 'Refused by the device',
  expired: 'Expired before delivery',
  unknown: 'Outcome unknown',
  cancelled: 'Cancelled',
  superseded: 'Replaced by a newer command',
}
