import { describe, expect, it } from 'vitest'
import { chainLook } from '@/features/audit/chain'
import { filterOf, isEmpty, queryOf, wireOf } from '@/features/audit/filter'
import { actionWords, actorWords } from '@/features/audit/words'

describe('audit', () => {
  it('a chain is not called whole further than it was checked', () => {
    const status = { head_sequence: 9, head_hash: '', first_sequence: 1, anchored_sequence: 0, verified_sequence: 9, problem: '' }
    expect([status, { ...status, verified_sequence: 4 }, { ...status, verified_sequence: 0 }, { ...status, problem: 'entry 3' }].map((s) => chainLook(s).tone)).toEqual(['ok', 'ok', 'flight', 'crit'])
    expect(chainLook({ ...status, verified_sequence: 4 }).words).toBe('Whole as far as checked')
  })
  it('search keeps what is set and sends moments in UTC', () => {
    const filter = filterOf({ outcome: ' refused ', from: '2026-11-21T08:00', to: 'never', page: 'x' })
    expect(queryOf(filter)).toEqual({ outcome: 'refused', from: '2026-11-21T08:00', to: 'never' })
    expect(wireOf(filter)).toMatchObject({ outcome: 'refused', from: new Date('2026-11-21T08:00').toISOString(), to: '' })
    expect([isEmpty(filterOf({})), isEmpty(filter)]).toEqual([true, false])
  })
  it('actions and actors are named as far as they can be', () => {
    expect(actionWords('yard.device.v1.DeviceService/CreateDevice')).toBe('Create device')
    expect(actorWords({ actor: 'service:scheduler' })).toBe('scheduler')
    expect(actorWords({ actor: 'person:0197a3c2-5c1e-7d44-9b1f-3a5d2e8c1001' })).toBe('person …2e8c1001')
  })
})
