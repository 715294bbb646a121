import { describe, expect, it } from 'vitest'
import type { Limits, LimitUse } from '@/api/organization'
import { Problem } from '@/api/problem'
import type { Plan } from '@/api/tenants'
import { limitBar, limitName } from '@/features/organization/limits'
import { numberFault, numberIn, numbersIn, refusedAt, sameNumbers } from '@/features/tenants/numbers'
import { changeOf, drafted, draftOf, emptyWords, loweredWords } from '@/features/tenants/ownLimits'
import { fewerWords, isChanged, limitNames, planDraft, planNameFault } from '@/features/tenants/plans'

const plan = (name: string, limits: Record<string, number>): Plan => ({ name, description: '', limits, changed_by: '' })
const use = (name: string, source: string, most: number, used: number): LimitUse => ({ name, meaning: '', holder: '', source: `LIMIT_SOURCE_${source}` as LimitUse['source'], most, used })
const held: Limits = { plan: 'standard', limits: [use('contracts', 'PLAN', 10, 4), use('devices', 'TENANT', 50, 40), use('people', 'NONE', 0, 3)] }

describe('a number as it is written', () => {
  it.each(['', ' ', '0', '007', ' 12 ', String(Number.MAX_SAFE_INTEGER)])('may be “%s”', (text) => expect(numberFault(text)).toBe(''))
  it.each(['-1', '1.5', '1e3', '1,000', 'x', '١', String(Number.MAX_SAFE_INTEGER + 1), '9223372036854775807'])('may not be “%s”', (text) => {
    expect(numberFault(text)).not.toBe('')
    expect(numberIn(text)).toBeNull()
  })

  it('is none where nothing is written, which is not zero', () => {
    expect([numberIn(''), numberIn(' '), numberIn(undefined), numberIn('0')]).toEqual([null, null, null, 0])
    expect(numbersIn({ devices: '0', people: '', contracts: 'x' })).toEqual({ devices: 0 })
  })

  it('is compared by name', () => {
    expect(sameNumbers({ a: 0 }, { a: 0 }) && sameNumbers({}, {})).toBe(true)
    for (const other of [{}, { a: 1 }, { b: 0 }, { a: 0, b: 0 }]) expect(sameNumbers({ a: 0 }, other as Record<string, number>)).toBe(false)
  })
})

describe('a refusal', () => {
  it('is said at the field it names, with its code', () => {
    const problem = new Problem(422, 'request.invalid', 'Not allowed', 'too many', '', '/limits/devices')
    expect(refusedAt(problem, '/limits/devices')).toBe('too many (request.invalid)')
    expect(refusedAt(new Problem(422, 'request.invalid', 'Not allowed', '', '', '/plan'), '/plan')).toBe('Not allowed (request.invalid)')
    expect(refusedAt(problem, '/limits') + refusedAt(problem, '') + refusedAt(null, '/limits/devices')).toBe('')
  })
})

describe("a tenant's plan and own numbers", () => {
  it('send only what differs', () => {
    const draft = draftOf(held)
    expect(draft).toEqual({ plan: 'standard', own: { contracts: '', devices: '50', people: '' } })
    expect(changeOf(held, draft)).toEqual({})
    expect(changeOf(held, { ...draft, own: { ...draft.own, devices: ' 050 ' } })).toEqual({})
    expect(changeOf(held, { ...draft, plan: 'large' })).toEqual({ plan: 'large' })
    expect(changeOf(held, { ...draft, own: { ...draft.own, people: '0' } })).toEqual({ limits: { devices: 50, people: 0 } })
    expect(changeOf(held, { plan: 'large', own: { ...draft.own, devices: '' } })).toEqual({ plan: 'large', limits: {} })
  })

  it('are shown as they would be, and as they are while a number is none', () => {
    const devices = use('devices', 'TENANT', 50, 40)
    const shown = (text: string, of: Plan | undefined = plan('p', { devices: 9 })) => drafted(devices, { plan: 'p', own: { devices: text } }, of)
    expect(shown('7')).toMatchObject({ source: 'LIMIT_SOURCE_TENANT', most: 7, used: 40 })
    expect(shown('')).toMatchObject({ source: 'LIMIT_SOURCE_PLAN', most: 9 })
    expect(shown('', plan('p', {}))).toMatchObject({ source: 'LIMIT_SOURCE_NONE', most: 0 })
    expect(drafted(devices, { plan: 'p', own: {} }, undefined)).toMatchObject({ source: 'LIMIT_SOURCE_NONE' })
    expect(shown('x')).toBe(devices)
    expect(limitBar(shown('7'), 'agreed with the tenant').source).toBe('agreed with the tenant')
  })

  it.each([
    [use('devices', 'PLAN', 50, 40), use('devices', 'TENANT', 39, 40), 'Devices: what is there stays (40 in use). Nothing new can be made until fewer than 39 are in use.'],
    [use('devices', 'PLAN', 50, 40), use('devices', 'TENANT', 40, 40), 'Devices: what is there stays (40 in use). Nothing new can be made until fewer than 40 are in use.'],
    [use('devices', 'NONE', 0, 40), use('devices', 'TENANT', 0, 40), 'Devices: what is there stays (40 in use). Nothing new can be made.'],
    [use('commands_per_day', 'NONE', 0, 1200), use('commands_per_day', 'PLAN', 1000, 1200), 'Commands a day: 1,200 were taken today. No more are until midnight UTC.'],
    [use('devices', 'PLAN', 50, 40), use('devices', 'TENANT', 41, 40), ''],
    [use('devices', 'PLAN', 30, 40), use('devices', 'TENANT', 35, 40), ''],
    [use('devices', 'PLAN', 30, 40), use('devices', 'TENANT', 30, 40), ''],
    [use('devices', 'PLAN', 30, 40), use('devices', 'NONE', 0, 40), ''],
  ])('say what it means that a limit is lowered', (is, will, words) => expect(loweredWords(is, will)).toBe(words))

  it('say what an empty field means', () => {
    expect(emptyWords('devices', plan('p', { devices: 9000 }))).toBe('Empty: as the plan has it, 9,000')
    expect(emptyWords('devices', plan('p', {}))).toBe('Empty: as the plan has it, not limited')
  })
})

describe('a plan', () => {
  const trial = plan('trial', { devices: 25, people: 5 })
  const names = limitNames([trial, plan('later', { zebras: 1, apples: 2 })])

  it('has the limits that are known, and those only the server knows', () => {
    expect(names).toEqual(['devices', 'contracts', 'commands_per_day', 'people', 'api_tokens', 'apples', 'zebras'])
    expect(['commands_per_day', 'zebras'].map(limitName)).toEqual(['Commands a day', 'Zebras'])
  })

  it('is changed when its words or numbers are, and always when it is made', () => {
    const draft = planDraft(trial, names)
    expect(draft.limits).toMatchObject({ devices: '25', people: '5', contracts: '' })
    expect(isChanged(trial, draft)).toBe(false)
    expect(isChanged(trial, { ...draft, description: ' ' })).toBe(false)
    expect(isChanged(trial, { ...draft, description: 'x' })).toBe(true)
    expect(isChanged(trial, { ...draft, limits: { ...draft.limits, people: '' } })).toBe(true)
    expect(isChanged(null, planDraft(null, names))).toBe(true)
  })

  it.each(['a', '7', 'enterprise-2', 'x'.repeat(32)])('may be called %s', (name) => expect(planNameFault(name, [trial])).toBe(''))
  it.each(['', '-a', 'a-', 'Gold', 'a b', 'x'.repeat(33), 'trial'])('may not be called “%s”', (name) => expect(planNameFault(name, [trial])).not.toBe(''))

  it('says what becomes less', () => {
    const draft = planDraft(trial, names)
    expect(fewerWords(trial, draft)).toEqual([])
    expect(fewerWords(trial, { ...draft, limits: { devices: '10', people: '5', contracts: '0', api_tokens: '' } })).toEqual(['Devices: 10 instead of 25', 'Contracts: 0 instead of no limit'])
    expect(fewerWords(trial, { ...draft, limits: { devices: '26', people: '' } })).toEqual([])
  })
})
