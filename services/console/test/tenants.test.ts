import { describe, expect, it } from 'vitest'
import type { Tenant } from '@/api/tenants'
import { digestFault, slugFault, slugFrom, tenantLook } from '@/features/tenants/words'

const at = (state: string, version = 31, error = '') => tenantLook({ state: `TENANT_STATE_${state}`, schema: { version, newest: 31, error } } as Tenant)

describe('what a tenant is at', () => {
  it('is said in words, with how far its schema is', () => {
    expect(at('PROVISIONING', 12)).toEqual({ tone: 'flight', words: 'Being made, 12 of 31' })
    expect(at('PROVISIONING', 12, 'timeout').tone).toBe('crit')
    expect(at('READY')).toEqual({ tone: 'ok', words: 'Ready' })
    expect(at('READY', 30)).toEqual({ tone: 'warn', words: 'Ready, schema 30 of 31' })
    expect([at('REQUESTED'), at('SUSPENDED'), at('CLOSING'), at('CLOSED'), at('OTHER')].map((one) => one.tone)).toEqual(['none', 'warn', 'flight', 'off', 'none'])
    expect(tenantLook({ state: 'TENANT_STATE_PROVISIONING' } as Tenant).words).toBe('Being made')
  })
})

describe('a slug', () => {
  it.each(['a', '7', 'aqua-valley', 'x'.repeat(63)])('may be %s', (slug) => expect(slugFault(slug)).toBe(''))
  it.each(['', '-a', 'a-', 'A', 'a b', 'ä', 'x'.repeat(64)])('may not be “%s”', (slug) => expect(slugFault(slug)).not.toBe(''))
  it.each([['Café Nord & Söhne', 'cafe-nord-sohne'], ['  ', ''], ['Zürich 2', 'zurich-2'], [`${'a'.repeat(62)} b`, 'a'.repeat(62)], ['水', '']])('of “%s” is suggested as “%s”', (name, slug) => {
    expect(slugFrom(name)).toBe(slug)
  })
})

describe('the digest of an export', () => {
  it('is 64 hexadecimal characters in lower case', () => {
    expect(digestFault('0123456789abcdef'.repeat(4))).toBe('')
    for (const wrong of ['', 'a'.repeat(63), 'a'.repeat(65), 'A'.repeat(64), 'g'.repeat(64)]) expect(digestFault(wrong)).not.toBe('')
  })
})
