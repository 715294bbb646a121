// The search: what is typed, as it stands in the address, and as the API takes it.
import type { LocationQuery } from 'vue-router'
import type { AuditFilter } from '@/api/audit'

const KEYS = ['from', 'to', 'actor', 'action', 'object_type', 'object_id', 'outcome', 'incident', 'kind'] as const

/** From the address; `from` and `to` are days or minutes in the viewer's zone. */
export function filterOf(query: LocationQuery): AuditFilter {
  const text = (key: string) => (typeof query[key] === 'string' ? query[key] : '')
  return Object.fromEntries(KEYS.map((key) => [key, text(key)])) as unknown as AuditFilter
}

/** For the address: only what is set. */
export const queryOf = (filter: AuditFilter): Record<string, string> =>
  Object.fromEntries(KEYS.map((key) => [key, filter[key].trim()]).filter(([, value]) => value))

export const isEmpty = (filter: AuditFilter): boolean => Object.keys(queryOf(filter)).length === 0

/** For the API: moments in UTC; one that is no time filters nothing. */
export function wireOf(filter: AuditFilter): AuditFilter {
  const moment = (text: string) => {
    const at = new Date(text)
    return text && !Number.isNaN(at.getTime()) ? at.toISOString() : ''
  }
  const trimmed = Object.fromEntries(KEYS.map((key) => [key, filter[key].trim()])) as unknown as AuditFilter
  return { ...trimmed, from: moment(filter.from), to: moment(filter.to) }
}
