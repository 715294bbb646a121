import { describe, expect, it } from 'vitest'
import type { DecisionRule, Override, Role } from '@/api/rights'
import { departmentChoices, departmentPath, wholeSeconds, type Book } from '@/features/rights/book'
import { changeOf, difference, draftFault, draftOf, keyFrom } from '@/features/rights/matrix'
import { dutyWords, holdingLook, leftWords, overrideLook, reachWords, ruleSteps } from '@/features/rights/words'
import { entryLook, lasts } from '@/features/breakglass/words'

const NOW = Date.parse('2026-11-30T12:00:00Z')
const at = (seconds: number) => new Date(NOW + seconds * 1000).toISOString()
const role = (key: string, permissions: string[]): Role => ({ role: key, name: key, description: '', permissions, built_in: false })
const BOOK: Book = {
  people: [], permissions: ['a.read', 'a.write'], roles: [role('keeper', ['a.read'])],
  departments: [{ department_id: 'd1', parent_id: '', name: 'Operations' }, { department_id: 'd2', parent_id: 'd1', name: 'Harbour' }],
  positions: [{ position_id: 'p1', department_id: 'd2', title: 'Lead', rank: 5, duty_from: 'SEVERITY_WARNING', duty_kinds: [], roles: [] }],
}
const rule = (over: Partial<DecisionRule>): DecisionRule => ({
  kind: 'RULE_KIND_MEMBERSHIP_ROLE', reaches: true, decides: false, scope: 'GRANT_SCOPE_TENANT', role: 'keeper', position_id: '', department_id: '', override_id: '', reason: '', ...over,
})
const last = rule({ kind: 'RULE_KIND_DEFAULT_DENY', role: '' })

describe('ruleSteps', () => {
  it('marks the one that decides, says why earlier ones did not, and asks later ones no more', () => {
    const deny = rule({ kind: 'RULE_KIND_DENY_OVERRIDE', reaches: false, scope: 'GRANT_SCOPE_DEPARTMENT', department_id: 'd2' })
    const seat = rule({ kind: 'RULE_KIND_POSITION_ROLE', decides: true, position_id: 'p1', scope: 'GRANT_SCOPE_SUBTREE', department_id: 'd2' })
    const steps = ruleSteps(BOOK, [deny, seat, rule({}), last])
    expect(steps.map((step) => step.said)).toEqual(['does not reach this', 'decides: allowed', 'not asked any more', 'not asked any more'])
    expect(steps.map((step) => step.tone)).toEqual(['off', 'ok', 'none', 'none'])
    expect(steps[1]?.what).toBe('The role keeper as Lead, Harbour')
    expect(steps[1]?.words).toBe('Harbour and below')
  })
  it('refusal by an exception and by nothing at all are both refusals', () => {
    expect(ruleSteps(BOOK, [rule({ kind: 'RULE_KIND_DENY_OVERRIDE', decides: true }), last])[0]).toMatchObject({ tone: 'crit', said: 'decides: refused' })
    expect(ruleSteps(BOOK, [{ ...last, decides: true }])[0]).toMatchObject({ tone: 'crit', what: 'Nothing else allows it' })
  })
})

describe('exceptions', () => {
  const override = (over: Partial<Override>): Override => ({
    override_id: 'o', principal_id: 'x', position_id: '', permission: 'a.read', effect: 'OVERRIDE_EFFECT_ALLOW', scope: 'GRANT_SCOPE_TENANT', department_id: '', reason: 'r',
    state: 'OVERRIDE_STATE_APPROVED', requested_by: 'y', decided_by: '', decision_reason: '', ended_by: '', expires_at: at(65), ...over,
  })
  it('counts down, and is over at its second', () => {
    expect(overrideLook(override({}), NOW)).toEqual({ tone: 'ok', words: 'In force, 1:05 left' })
    expect(overrideLook(override({}), NOW + 65_000)).toEqual({ tone: 'off', words: 'Expired' })
    expect(overrideLook(override({ state: 'OVERRIDE_STATE_REQUESTED' }), NOW + 65_000).words).toBe('Expired unanswered')
  })
  it('one that denies warns', () => expect(overrideLook(override({ effect: 'OVERRIDE_EFFECT_DENY' }), NOW).tone).toBe('warn'))
  it('counts minutes and seconds in the last hour only', () => {
    expect([leftWords(3_600_000), leftWords(3_599_001), leftWords(60_000), leftWords(900), leftWords(-5)]).toEqual(['1 h', '60:00', '1:00', '0:01', '0:00'])
  })
  it('for a position reaches from where it stands', () => {
    expect(reachWords(BOOK, 'GRANT_SCOPE_SUBTREE', '')).toBe('its own department and below')
    expect(reachWords(BOOK, 'GRANT_SCOPE_TENANT', '')).toBe('everything')
  })
})

describe('positions', () => {
  it('say what they answer for', () => {
    const [one] = BOOK.positions
    expect(one && dutyWords(one)).toBe('answers for events from warning up of any kind')
    expect(one && dutyWords({ ...one, duty_from: 'SEVERITY_UNSPECIFIED' })).toBe('answers for no events')
    expect(one && dutyWords({ ...one, duty_from: 'SEVERITY_CRITICAL', duty_kinds: ['door.forced'] })).toBe('answers for critical events: door.forced')
  })
  it('are held from a moment to another', () => {
    const held = { assignment_id: 'a', position_id: 'p1', principal_id: 'x', display_name: 'X', starts_at: at(-60), ends_at: at(60) }
    expect(holdingLook(held, NOW).tone).toBe('ok')
    expect(holdingLook(held, NOW + 60_000).tone).toBe('off')
    expect(holdingLook(held, NOW - 61_000).tone).toBe('none')
  })
})

describe('departments', () => {
  it('are chosen below their parents, without the branch that moves', () => {
    expect(departmentChoices(BOOK.departments).map((one) => one.words)).toEqual(['Operations', '\u2003Harbour'])
    expect(departmentChoices(BOOK.departments, new Set(['d2'])).map((one) => one.key)).toEqual(['d1'])
  })
  it('have a path, also when the tree is broken', () => {
    expect(departmentPath(BOOK.departments, 'd2')).toBe('Operations › Harbour')
    expect(departmentPath([{ department_id: 'a', parent_id: 'a', name: 'Loop' }], 'a')).toBe('Loop')
  })
})

describe('a role while it is changed', () => {
  it('sends only what differs', () => {
    const draft = { ...draftOf(role('keeper', ['a.read'])), permissions: ['a.write'] }
    expect(difference(draft)).toEqual({ gains: ['a.write'], loses: ['a.read'] })
    expect(changeOf(draft)).toEqual({ permissions: ['a.write'] })
    expect(changeOf({ ...draftOf(role('keeper', ['a.read'])), name: ' Keeper ' })).toEqual({ name: 'Keeper' })
  })
  it('has a key that is free and well formed', () => {
    const draft = { ...draftOf(null), name: 'N', key: 'keeper' }
    expect(draftFault(draft, BOOK.roles).key).toBe('There is one of this key')
    expect(draftFault({ ...draft, key: 'Night shift' }, BOOK.roles).key).not.toBe('')
    expect(draftFault({ ...draft, key: 'a'.repeat(65) }, BOOK.roles).key).not.toBe('')
    expect(draftFault({ ...draft, key: 'a'.repeat(64) }, BOOK.roles)).toEqual({ key: '', name: '' })
    expect(keyFrom('Öl & Wasser!')).toBe('o-l-wasser')
  })
  it('draft does not share its list with the role', () => {
    const one = role('keeper', ['a.read'])
    draftOf(one).permissions.push('a.write')
    expect(one.permissions).toEqual(['a.read'])
  })
})

describe('break-glass', () => {
  const entry = { break_glass_id: 'b', tenant_id: 't', tenant_slug: 's', principal_id: 'x', display_name: 'X', permissions: [], reason: 'r', ended_by: '', started_at: at(-60), expires_at: at(90) }
  it('is inside until its time, or until it is ended', () => {
    expect(entryLook(entry, NOW)).toEqual({ tone: 'warn', words: 'Inside, 1:30 left' })
    expect(lasts(entry, NOW + 90_000)).toBe(false)
    expect(lasts({ ...entry, ended_at: at(-1), ended_by: 'y' }, NOW)).toBe(false)
  })
})

describe('wholeSeconds', () => {
  it('cuts to the second and knows no time', () => {
    expect(wholeSeconds('2026-11-30T12:00:00.900Z')).toBe('2026-11-30T12:00:00.000Z')
    expect([wholeSeconds(''), wholeSeconds('soon')]).toEqual([null, null])
  })
})
