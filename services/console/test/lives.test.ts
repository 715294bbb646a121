import { describe, expect, it } from 'vitest'
import type { Certificate } from '@/api/types'
import { axisOf, renewAfter } from '@/features/device/lives'

const one = (over: Partial<Certificate>): Certificate => ({ serial: 's', state: 'valid', notBefore: 0, notAfter: 90, revokedAt: null, enforcedAt: null, supersededAt: null, renews: '', ...over })

describe('axisOf', () => {
  it('renews at two thirds', () => expect(renewAfter(one({}))).toBe(60))
  it('shows where a renewed one stops and from when its successor holds beside it', () => {
    const axis = axisOf([one({ serial: 'new', notBefore: 60, notAfter: 150, renews: 'old' }), one({ serial: 'old', supersededAt: 67 })], 65)
    expect(axis).toMatchObject({ from: 0, to: 150, now: 65 / 150 })
    expect(axis?.lives[1]).toMatchObject({ from: 0, renew: 0.4, end: 0.6, stop: 67 / 150, beside: 0.4 })
    expect(axis?.lives[0]).toMatchObject({ stop: null, beside: null })
    expect(axis?.lives[1]?.words).toContain('renewed, holds beside the next until')
  })
  it('stops nothing after its end, and reaches to now', () => {
    expect(axisOf([one({ revokedAt: 95 })], 180)).toMatchObject({ to: 180, now: 1, lives: [{ stop: 0.5, end: 0.5 }] })
  })
  it('is nothing without ends', () => expect(axisOf([one({ notAfter: null })], 0)).toBeNull())
})
