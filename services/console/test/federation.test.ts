import { describe, expect, it } from 'vitest'
import { safeNext } from '@/app/next'
import { emptyDraft, faultsOf, providerOf, type FormDraft } from '@/features/federation/draft'

const draft = (over: Partial<FormDraft> = {}): FormDraft => ({ ...emptyDraft(), name: 'Corp', issuer: 'https://login.example', client_id: 'x', ...over })

describe('provider draft', () => {
  it.each<[Partial<FormDraft>, string[]]>([
    [{}, []],
    [{ name: ' ', client_id: '' }, ['name', 'client_id']],
    [{ issuer: 'http://login.example' }, ['issuer']],
    [{ issuer: 'login.example' }, ['issuer']],
    [{ rules: [{ group: 'ops', role: '' }], groups_claim: 'groups' }, ['rules']],
    [{ rules: [{ group: ' ', role: 'viewer' }], groups_claim: 'groups' }, ['rules']],
    [{ rules: [{ group: 'ops', role: 'viewer' }] }, ['groups_claim']],
    [{ create_people: true }, ['domains']],
    [{ create_people: true, domains: ' , ' }, ['domains']],
    [{ create_people: true, domains: 'example.org' }, []],
  ])('%j has faults in %j', (over, fields) => {
    expect(Object.keys(faultsOf(draft(over)))).toEqual(fields)
  })

  it('is sent trimmed, with lists out of what was written', () => {
    const sent = providerOf(draft({ name: ' Corp ', scopes: 'profile  email,groups', domains: 'Example.ORG\nexample.net', rules: [{ group: ' ops ', role: 'operator' }], client_secret: ' kept as it is ' }))
    expect(sent).toMatchObject({ name: 'Corp', scopes: ['profile', 'email', 'groups'], email_domains: ['example.org', 'example.net'], role_rules: [{ group: 'ops', role: 'operator' }], client_secret: ' kept as it is ' })
  })
})

it.each([['/t/aqua/devices?x=1', true], ['//evil.example', false], ['/\\evil.example', false], ['https://evil.example', false], ['', false], [['/t'], false], [null, false]])('%j is a path to go on to: %s', (wanted, good) => {
  expect(safeNext(wanted)).toBe(good ? wanted : null)
})
