import { describe, expect, it, vi } from 'vitest'
import { problemFrom, problemOf } from '@/api/problem'
import { device, quarantined } from '@/api/types'
import { age, daysLeft, duration, measure, moment, offset, short, span, unit } from '@/app/format'
import { navigation } from '@/app/navigation'
import { changesOf, draftOf, faultsOf } from '@/features/federation/draft'
import { batcher } from '@/live/batcher'
import { commandChange, presenceChange, telemetryEvent } from '@/live/events'
import { linkState } from '@/live/link'
import { gridTarget } from '@/ui/gridKeys'

describe('batcher', () => {
  const frames: (() => void)[] = []
  const frame = (run: () => void) => frames.push(run)

  it('burst is handed over once, in order', () => {
    const flush = vi.fn()
    const batch = batcher<number>(flush, 10, frame, () => {})
    ;[1, 2, 3].forEach(batch.push)
    expect(frames).toHaveLength(1)
    frames.pop()?.()
    expect(flush.mock.calls).toEqual([[[1, 2, 3]]])
  })

  it('hidden page keeps only the newest', () => {
    const flush = vi.fn()
    const batch = batcher<number>(flush, 2, frame, () => {})
    ;[1, 2, 3].forEach(batch.push)
    frames.pop()?.()
    expect(flush).toHaveBeenCalledWith([2, 3])
  })

  it('stopped batcher hands nothing over', () => {
    const dropped = vi.fn()
    const batch = batcher<number>(vi.fn(), 2, () => 7, dropped)
    batch.push(1)
    batch.stop()
    expect(dropped).toHaveBeenCalledWith(7)
  })
})

describe('formatters', () => {
  it('durations use their largest whole unit', () => {
    expect([9_900, 240_000, 3 * 3_600_000, 47 * 3_600_000, 12 * 86_400_000, -5].map(duration)).toEqual(['9 s', '4 min', '3 h', '47 h', '12 d', '0 s'])
  })
  it('ages say never and now', () => {
    expect([age(null, 5), age(5000, 5200), age(9000, 5000), age(0, 65_000)]).toEqual(['never', 'now', 'now', '1 min ago'])
  })
  it('offsets keep milliseconds while they matter', () => {
    expect([208, 4120, 180_000].map(offset)).toEqual(['+208 ms', '+4.1 s', '+3 min'])
    expect(span(840)).toBe('840 ms')
  })
  it('measures keep about four digits', () => {
    expect([100.59, 23.18, 0.01234, 1_234.56, 5e12, true, null, 'open'].map(measure)).toEqual(['100.59', '23.18', '0.012', '1234.6', '5.000e+12', 'yes', '–', 'open'])
  })
  it('units are written as people do', () => {
    expect(['Cel', '[ppm]', 'L/s', '1'].map(unit)).toEqual(['°C', 'ppm', 'L/s', ''])
  })
  it('identifiers, days and moments', () => {
    expect(short('0197a3c2-6000-7000-8000-000000000001')).toBe('…00000001')
    expect(daysLeft(10 * 86_400_000 + 5, 0)).toBe(10)
    expect(daysLeft(-5, 0)).toBe(-1)
    const now = new Date(2026, 10, 21, 12, 0, 0).getTime()
    expect(moment(now, now)).toBe('12:00:00')
    expect(moment(now - 86_400_000, now)).toBe('20 Nov 2026, 12:00:00')
  })
})

describe('link state', () => {
  const facts = { connection: 'connected', everConnected: true, online: true, silentFor: 10, heartbeat: 30_000 }
  it('says what can be trusted', () => {
    expect(linkState(facts)).toBe('live')
    expect(linkState({ ...facts, silentFor: 61_000 })).toBe('stale')
    expect(linkState({ ...facts, connection: 'connecting' })).toBe('reconnecting')
    expect(linkState({ ...facts, connection: 'connecting', everConnected: false })).toBe('connecting')
    expect(linkState({ ...facts, connection: 'unavailable' })).toBe('offline')
    expect(linkState({ ...facts, online: false })).toBe('offline')
    expect(linkState({ ...facts, connection: 'off' })).toBe('off')
  })
})

describe('live events', () => {
  it('good ones are read', () => {
    const at = '2026-11-21T05:00:00Z'
    expect(telemetryEvent({ device_id: 'd', message_id: 'm', occurred_at: at, values: { flow: 1 } })).toMatchObject({ deviceId: 'd', receivedAt: null, values: { flow: 1 } })
    expect(commandChange({ command_id: 'c', state: 'COMMAND_STATE_RUNNING', at })?.state).toBe('running')
    expect(presenceChange({ device_id: 'd', presence: 'PRESENCE_STALE', at })?.presence).toBe('stale')
  })
  it('unknown shapes are ignored', () => {
    for (const bad of [null, 'x', [], {}, { occurred_at: 'never', values: {} }]) expect(telemetryEvent(bad)).toBeNull()
    expect(commandChange({ at: '2026-11-21T05:00:00Z' })).toBeNull()
    expect(presenceChange({ presence: 'PRESENCE_ONLINE' })).toBeNull()
  })
})

describe('wire', () => {
  it('left-out defaults are filled in', () => {
    expect(device({ device_id: 'd' })).toMatchObject({ id: 'd', name: '', labels: {}, presence: 'never', lastSeenAt: null })
  })
  it('payload is shown as text, also when it is none', () => {
    expect(quarantined({ payload: btoa('{"a":1}') }).payload).toBe('{"a":1}')
    expect(quarantined({ payload: '***' }).payload).toBe('***')
  })
  it('problem keeps its code and incident', () => {
    const problem = problemFrom(503, { code: 'dependency.unavailable', title: 'T', instance: 'inc_1' })
    expect([problem.code, problem.incident, problem.status]).toEqual(['dependency.unavailable', 'inc_1', 503])
    expect(problemFrom(502, '<html>').code).toBe('http.502')
    expect(problemOf(new TypeError('Failed to fetch')).offline).toBe(true)
    expect(problemFrom(403, { code: 'auth.step_up_required' }).needsProof).toBe(true)
  })
})

describe('grid keys', () => {
  it('moves and stays inside', () => {
    expect(gridTarget('ArrowDown', 4, 5, 10)).toBe(4)
    expect(gridTarget('ArrowUp', 4, 5, 10)).toBe(3)
    expect(gridTarget('PageDown', 4, 100, 10)).toBe(14)
    expect(gridTarget('PageUp', 4, 100, 10)).toBe(0)
    expect(gridTarget('End', 0, 10_000, 10)).toBe(9999)
    expect(gridTarget('Home', 50, 100, 10)).toBe(0)
    expect(gridTarget('x', 0, 5, 10)).toBeNull()
    expect(gridTarget('End', 0, 0, 10)).toBeNull()
  })
})

describe('navigation', () => {
  const base = { principalId: 'p', email: '', displayName: '', tenantId: 't', tenantSlug: 'aqua', tenantName: '', role: '', secondFactorMissing: false, identityProviderId: '' }
  const labels = (permissions: string[], tenantSlug = 'aqua') => navigation({ ...base, tenantSlug, permissions }).map((g) => [g.label, ...g.items.map((i) => i.label)])
  it('offers only what the person may use, and no empty group', () => {
    expect(labels(['devices.read'])).toEqual([['', 'Devices'], ['Organisation', 'API tokens']])
    expect(labels(['devices.enroll'])).toEqual([['', 'Devices', 'Connect a device', 'Returned devices'], ['Organisation', 'API tokens']])
    expect(labels(['ops.read', 'keys.manage'], '')).toEqual([['', 'Queues', 'Jobs', 'Schedules', 'Protection', 'Signing keys', 'Platform audit']])
    expect(navigation(null)).toEqual([])
    expect(navigation({ ...base, permissions: [], secondFactorMissing: true })).toEqual([])
  })
  it('any one of the rights of an entry is enough', () => {
    for (const right of ['people.read', 'tenant.manage']) expect(labels([right]).flat(), right).toContain('Settings')
  })
})

describe('change of a provider', () => {
  const before = { provider_id: 'p', name: 'Aqua', issuer: 'http://idp.inside', client_id: 'c', client_secret: '', scopes: ['profile', 'email'], groups_claim: 'groups', role_rules: [{ group: 'ops', role: 'operator' }], default_role: '', email_domains: ['aqua.example'], create_people: true, created_at: '', redirect_uri: '', disabled: false }

  it('is what is otherwise, however it is written', () => {
    const draft = { ...draftOf(before), name: ' Aqua ', scopes: 'profile,  email', domains: 'AQUA.example' }
    expect(changesOf(draft, before)).toEqual({})
    draft.rules.push({ group: 'leads ', role: 'owner' })
    expect(changesOf(draft, before)).toEqual({ role_rules: [{ group: 'ops', role: 'operator' }, { group: 'leads', role: 'owner' }] })
    expect(before.role_rules).toHaveLength(1)
  })
  it('never is the issuer, and the secret only where it was chosen', () => {
    const draft = { ...draftOf(before), issuer: 'https://elsewhere.example', client_secret: 'left over' }
    expect(changesOf(draft, before)).toEqual({})
    expect(changesOf({ ...draft, secret: 'set' }, before)).toEqual({ client_secret: 'left over' })
    expect(changesOf({ ...draft, secret: 'none' }, before)).toEqual({ client_secret: '' })
    expect(faultsOf(draft, before)).toEqual({})
    expect(faultsOf({ ...draft, secret: 'set', client_secret: '' }, before)).toHaveProperty('client_secret')
  })
})
