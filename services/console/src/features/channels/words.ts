// How channels, refusals and what a trace shows are called.
import type { Channel, ChannelKind, Coverage, Refusal, TraceEvent, TraceKind } from '@/api/channels'
import { plural } from '@/app/format'
import type { Tone } from '@/ui/tones'

const KINDS: Record<ChannelKind, string> = {
  REALTIME_CHANNEL_KIND_UNSPECIFIED: 'Unknown',
  REALTIME_CHANNEL_KIND_PUBLIC: 'Public',
  REALTIME_CHANNEL_KIND_PRIVATE: 'Private',
  REALTIME_CHANNEL_KIND_PRESENCE: 'Presence',
  REALTIME_CHANNEL_KIND_ENCRYPTED: 'Encrypted',
  REALTIME_CHANNEL_KIND_USER: 'One user',
}
export const kindWord = (one: Pick<Channel, 'kind' | 'cache'>): string => `${KINDS[one.kind] ?? 'Unknown'}${one.cache ? ', keeps its last event' : ''}`

const REASONS: Record<string, string> = {
  signature: 'Signature',
  session: 'Session ended',
  name: 'Name',
  tenant: 'Other organisation',
  user: 'Other user',
  member: 'Nobody named',
  members: 'Channel full',
  limit: 'Too many channels',
  unavailable: 'Presence away',
  origin: 'Origin',
  quota: 'Too many sockets',
  app_disabled: 'App disabled',
  ticket: 'Ticket',
}
export const reasonWord = (reason: string): string => REASONS[reason] ?? reason

/** What the person can do something about is the app's own; a part that was away passes. */
export const refusalTone = (one: Pick<Refusal, 'reason'>): Tone => (one.reason === 'unavailable' ? 'warn' : 'crit')

export const TRACE_KINDS: { kind: TraceKind; label: string }[] = [
  { kind: 'REALTIME_TRACE_KIND_EVENT', label: 'Events of servers' },
  { kind: 'REALTIME_TRACE_KIND_CLIENT_EVENT', label: 'Events of clients' },
  { kind: 'REALTIME_TRACE_KIND_MEMBER', label: 'Members' },
  { kind: 'REALTIME_TRACE_KIND_SUBSCRIPTION', label: 'Subscriptions' },
  { kind: 'REALTIME_TRACE_KIND_CONNECTION', label: 'Sockets' },
  { kind: 'REALTIME_TRACE_KIND_REFUSAL', label: 'Refusals' },
]

const TRACED: Record<TraceKind, string> = {
  REALTIME_TRACE_KIND_UNSPECIFIED: 'Other',
  REALTIME_TRACE_KIND_EVENT: 'Server',
  REALTIME_TRACE_KIND_CLIENT_EVENT: 'Client',
  REALTIME_TRACE_KIND_MEMBER: 'Member',
  REALTIME_TRACE_KIND_SUBSCRIPTION: 'Subscription',
  REALTIME_TRACE_KIND_CONNECTION: 'Socket',
  REALTIME_TRACE_KIND_REFUSAL: 'Refused',
  REALTIME_TRACE_KIND_LEFT_OUT: 'Left out',
}
export const traceWord = (kind: TraceKind): string => TRACED[kind] ?? 'Other'

/** What an event says, or why that is not shown. */
export function dataWords(one: TraceEvent): string {
  switch (one.withheld) {
    case 'REALTIME_DATA_WITHHELD_ENCRYPTED':
      return `${plural(one.data_bytes, 'byte')}, which only its clients can read`
    case 'REALTIME_DATA_WITHHELD_PERMISSION':
      return `${plural(one.data_bytes, 'byte')}, shown to who may read telemetry`
    case 'REALTIME_DATA_WITHHELD_NOT_ASKED':
      return plural(one.data_bytes, 'byte')
    default:
      return one.data || (one.kind.endsWith('EVENT') ? 'Empty' : '')
  }
}

/** Whether the text was longer than what is shown of it. */
export const isCut = (one: TraceEvent): boolean => one.withheld === 'REALTIME_DATA_WITHHELD_UNSPECIFIED' && one.data_bytes > new TextEncoder().encode(one.data).length

/** Says that numbers are too small, where they are; else nothing. */
export function coverageWords(of: Coverage | undefined): string {
  if (!of || of.known === 0) return of ? `${plural(of.answered, 'instance')} answered; how many there are is not known now` : ''
  return of.answered < of.known ? `Only ${of.answered} of ${plural(of.known, 'instance')} answered: the numbers are too small` : ''
}

/** A rate in few characters: "0", "0.4", "12", "1,240". */
export function rateWords(perSecond: number): string {
  if (perSecond === 0) return '0'
  return perSecond < 10 ? String(Number(perSecond.toFixed(1))) : Math.round(perSecond).toLocaleString('en-GB')
}
