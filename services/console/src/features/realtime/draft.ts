// What a person says of an app, as they type it.
import type { RealtimeApp, RealtimeAppDraft } from '@/api/realtimeApps'

export interface Draft {
  name: string
  clientEvents: boolean
  perSecond: string
  origins: string
  connections: string
  members: string
  bytes: string
  counts: boolean
  recoverable: string
  kept: string
  keptFor: string
}

export const draftOf = (one: RealtimeApp): Draft => ({
  name: one.name,
  clientEvents: one.client_events,
  perSecond: `${one.client_events_per_second}`,
  origins: one.allowed_origins.join('\n'),
  connections: `${one.max_connections}`,
  members: `${one.max_members}`,
  bytes: `${one.max_event_bytes}`,
  counts: one.subscription_count,
  recoverable: one.recoverable_prefixes.join('\n'),
  kept: `${one.history_events}`,
  keptFor: `${one.history_seconds}`,
})

const lines = (text: string): string[] => text.split('\n').map((one) => one.trim()).filter((one) => one !== '')
const ORIGIN = /^(\*|[a-z0-9-]+:\/\/[a-z0-9._:[\]-]+)$/
const MOST_ORIGINS = 32
const LONGEST_NAME = 60

function numberFault(text: string, least: number, most: number): string {
  const number = Number(text)
  return /^\d+$/.test(text.trim()) && number >= least && number <= most ? '' : `${least} to ${most}`
}

export function originFault(text: string): string {
  const all = lines(text)
  if (all.length > MOST_ORIGINS) return `At most ${MOST_ORIGINS}`
  const bad = all.find((one) => !ORIGIN.test(one))
  return bad === undefined ? '' : `Not as a browser sends it: ${bad}`
}

const PREFIX = /^[-a-zA-Z0-9_=@,.;]{1,100}$/
const MOST_PREFIXES = 16

export function prefixFault(text: string): string {
  const all = lines(text)
  if (all.length > MOST_PREFIXES) return `At most ${MOST_PREFIXES}`
  const bad = all.find((one) => !PREFIX.test(one))
  return bad === undefined ? '' : `No channel's name begins so: ${bad}`
}

export type Faults = Partial<Record<keyof Draft, string>>

/** What keeps the draft from being sent, by field. */
export function faultsOf(draft: Draft): Faults {
  const length = [...draft.name.trim()].length
  const all: Faults = {
    name: length === 0 ? 'Needed' : length > LONGEST_NAME ? `At most ${LONGEST_NAME} characters` : '',
    perSecond: numberFault(draft.perSecond, 1, 100),
    origins: originFault(draft.origins),
    connections: numberFault(draft.connections, 0, 1_000_000),
    members: numberFault(draft.members, 1, 1_000),
    bytes: numberFault(draft.bytes, 1_024, 65_536),
    recoverable: prefixFault(draft.recoverable),
    kept: numberFault(draft.kept, 1, 1_000),
    keptFor: numberFault(draft.keptFor, 1, 86_400),
  }
  return Object.fromEntries(Object.entries(all).filter(([, fault]) => fault !== ''))
}

/** Only what is otherwise than before. */
export function changesOf(draft: Draft, before: RealtimeApp): Partial<RealtimeAppDraft> {
  const origins = lines(draft.origins)
  const all: Partial<RealtimeAppDraft> = {
    name: draft.name.trim(),
    client_events: draft.clientEvents,
    client_events_per_second: Number(draft.perSecond),
    allowed_origins: origins.length ? origins : ['*'],
    max_connections: Number(draft.connections),
    max_members: Number(draft.members),
    max_event_bytes: Number(draft.bytes),
    subscription_count: draft.counts,
    // As the server sorts them.
    recoverable_prefixes: [...new Set(lines(draft.recoverable))].sort(),
    history_events: Number(draft.kept),
    history_seconds: Number(draft.keptFor),
  }
  const same = (key: string, value: unknown): boolean => JSON.stringify(before[key as keyof RealtimeApp]) === JSON.stringify(value)
  return Object.fromEntries(Object.entries(all).filter(([key, value]) => !same(key, value)))
}
