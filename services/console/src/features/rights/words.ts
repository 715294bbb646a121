// What rights are called in words.
import type { Assignment, DecisionRule, GrantScope, Override, Position, Severity } from '@/api/rights'
import { time } from '@/api/wire'
import { day, duration, moment } from '@/app/format'
import type { Tone } from '@/ui/tones'
import { departmentName, positionName, roleName, type Book } from './book'

/** What a permission of the catalogue lets one do; a newer one has its key only. */
const DOES: Record<string, string> = {
  'devices.read': 'See devices, their contracts, certificates and commands',
  'telemetry.read': 'See what devices measure',
  'people.read': 'See who is a member',
  'rights.read': 'See roles, departments and exceptions, and ask why',
  'devices.control': 'Send commands to devices',
  'devices.enroll': 'Give devices certificates, and take them back',
  'subscribers.read': 'See who may into the network by RADIUS',
  'subscribers.manage': 'Let people into the network by RADIUS, and on which terms',
  'devices.manage': 'Add and change devices and contracts',
  'people.manage': 'Invite people and change what they are',
  'rights.manage': 'Change roles, departments and exceptions',
  'realtime.manage': 'Make realtime apps and their secrets',
  'radius.manage': 'Register routers and access points that ask by RADIUS',
  'audit.read': 'Search the audit',
  'tenant.manage': 'Change the organisation itself',
}
/** The catalogue as this console knows it, for where a tenant's own cannot be asked. */
export const KNOWN_PERMISSIONS: readonly string[] = Object.keys(DOES)
export const permissionDoes = (key: string): string => DOES[key] ?? ''

export const SCOPES: readonly [GrantScope, string, string][] = [
  ['GRANT_SCOPE_TENANT', 'everything', 'everything in the organisation'],
  ['GRANT_SCOPE_SUBTREE', 'the department and below', 'what belongs to the department or one below it'],
  ['GRANT_SCOPE_DEPARTMENT', 'the department', 'what belongs to the department itself'],
  ['GRANT_SCOPE_OWN', 'their own', 'what is the person’s own'],
]
export const scopeWords = (scope: GrantScope): string => SCOPES.find(([one]) => one === scope)?.[1] ?? 'an unknown part'

/** Where a right reaches, with the department's name in it. */
export function reachWords(book: Book, scope: GrantScope, department: string): string {
  // A position reaches from the department it stands in.
  const name = department ? departmentName(book, department) : 'its own department'
  if (scope === 'GRANT_SCOPE_SUBTREE') return `${name} and below`
  if (scope === 'GRANT_SCOPE_DEPARTMENT') return name
  return scopeWords(scope)
}

export const SEVERITIES: readonly [Severity, string][] = [
  ['SEVERITY_INFORMATION', 'information'],
  ['SEVERITY_WARNING', 'warning'],
  ['SEVERITY_CRITICAL', 'critical'],
]
const severityWord = (severity: Severity): string => SEVERITIES.find(([one]) => one === severity)?.[1] ?? ''

export function dutyWords(one: Position): string {
  if (one.duty_from === 'SEVERITY_UNSPECIFIED') return 'answers for no events'
  const above = one.duty_from === 'SEVERITY_CRITICAL' ? 'critical events' : `events from ${severityWord(one.duty_from)} up`
  return `answers for ${above}${one.duty_kinds.length ? `: ${one.duty_kinds.join(', ')}` : ' of any kind'}`
}

export interface Look {
  tone: Tone
  words: string
}

export function holdingLook(one: Assignment, now: number): Look {
  const [from, to] = [time(one.starts_at) ?? 0, time(one.ends_at)]
  if (to !== null && to <= now) return { tone: 'off', words: `Over since ${moment(to, now)}` }
  if (from > now) return { tone: 'none', words: `From ${from - now > 86_400_000 ? day(from) : moment(from, now)}` }
  return { tone: 'ok', words: to === null ? 'Holds it' : `Holds it, ${duration(to - now)} left` }
}

export function overrideLook(one: Override, now: number): Look {
  const left = (time(one.expires_at) ?? 0) - now
  switch (one.state) {
    case 'OVERRIDE_STATE_REQUESTED':
      return left > 0 ? { tone: 'flight', words: 'Waits for a second person' } : { tone: 'off', words: 'Expired unanswered' }
    case 'OVERRIDE_STATE_APPROVED':
      return left > 0 ? { tone: one.effect === 'OVERRIDE_EFFECT_DENY' ? 'warn' : 'ok', words: `In force, ${leftWords(left)} left` } : { tone: 'off', words: 'Expired' }
    case 'OVERRIDE_STATE_REFUSED':
      return { tone: 'off', words: 'Refused' }
    case 'OVERRIDE_STATE_EXPIRED':
      return { tone: 'off', words: 'Expired' }
    default:
      return { tone: 'off', words: `Ended ${moment(time(one.ended_at), now)}` }
  }
}

/** Counts seconds in the last hour: "2 d", "3 h", "14:05". */
export function leftWords(ms: number): string {
  if (ms >= 3_600_000) return duration(ms)
  const seconds = Math.max(0, Math.ceil(ms / 1000))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

/** What a rule is, and how far it reaches. */
export function ruleWords(book: Book, rule: DecisionRule): { what: string; reach: string } {
  const reach = reachWords(book, rule.scope, rule.department_id)
  const through = rule.position_id ? ` as ${positionName(book, rule.position_id)}` : ''
  switch (rule.kind) {
    case 'RULE_KIND_DENY_OVERRIDE':
      return { what: `An exception denies it${through}`, reach }
    case 'RULE_KIND_ALLOW_OVERRIDE':
      return { what: `An exception allows it${through}`, reach }
    case 'RULE_KIND_POSITION_ROLE':
      return { what: `The role ${roleName(book, rule.role)}${through}`, reach }
    case 'RULE_KIND_MEMBERSHIP_ROLE':
      return { what: `The role ${roleName(book, rule.role)} of the membership`, reach }
    case 'RULE_KIND_BREAK_GLASS':
      return { what: 'Stated by a system administrator on entering', reach }
    default:
      return { what: 'Nothing else allows it', reach: '' }
  }
}

export interface RuleStep extends Look {
  key: string
  ahead: boolean
  rule: DecisionRule
  what: string
  /** What it came to. */
  said: string
}

const denies = (rule: DecisionRule) => rule.kind === 'RULE_KIND_DENY_OVERRIDE' || rule.kind === 'RULE_KIND_DEFAULT_DENY'

/** The rules in the order in which they count, each with what it came to. */
export function ruleSteps(book: Book, rules: readonly DecisionRule[]): RuleStep[] {
  const decided = rules.findIndex((rule) => rule.decides)
  return rules.map((rule, index) => {
    const { what, reach } = ruleWords(book, rule)
    const step = { key: `${index}`, rule, what, words: reach, ahead: decided >= 0 && index >= decided && index < rules.length - 1 }
    if (rule.decides) return { ...step, tone: denies(rule) ? 'crit' : 'ok', said: denies(rule) ? 'decides: refused' : 'decides: allowed' }
    if (decided >= 0 && index > decided) return { ...step, tone: 'none', said: 'not asked any more' }
    return { ...step, tone: 'off', said: rule.reaches ? 'has no say here' : 'does not reach this' }
  })
}
