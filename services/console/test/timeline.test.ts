import { describe, expect, it } from 'vitest'
import type { Command, CommandEvent, CommandState } from '@/api/types'
import { furthest, isCancellable, timeline, withChange } from '@/features/device/timeline'

const event = (state: CommandState, at: number, actor = '', evidence = ''): CommandEvent => ({ state, at, actor, evidence })
const commandWith = (state: CommandState, events: CommandEvent[]): Command => ({
  id: 'c1', deviceId: 'd1', name: 'set_valve', arguments: {}, state, deadline: 60_000, createdAt: 0, createdBy: 'p', result: null, events,
})
const kinds = (command: Command) => timeline(command).map((step) => `${step.key}:${step.kind}`)

describe('timeline', () => {
  it('new command waits for the broker and claims nothing more', () => {
    expect(kinds(commandWith('queued', [event('queued', 0)]))).toEqual([
      'queued:proved', 'dispatched:current', 'delivered:ahead', 'result:ahead',
    ])
  })

  it('broker acceptance never counts as received by the device', () => {
    const steps = kinds(commandWith('dispatched', [event('queued', 0), event('dispatched', 40)]))
    expect(steps).toEqual(['queued:proved', 'dispatched:proved', 'delivered:current', 'result:ahead'])
  })

  it('result without earlier reports implies delivery but not optional steps', () => {
    const steps = kinds(commandWith('succeeded', [event('queued', 0), event('succeeded', 900, 'device:d1')]))
    expect(steps).toEqual(['queued:proved', 'dispatched:implied', 'delivered:implied', 'succeeded:proved'])
  })

  it('failure on our side implies nothing about the device', () => {
    const steps = kinds(commandWith('failed', [event('queued', 0), event('failed', 50, 'service:device-ingest', 'broker refused')]))
    expect(steps).toEqual(['queued:proved', 'failed:proved'])
  })

  it('expiry before delivery leaves delivery out', () => {
    const steps = kinds(commandWith('expired', [event('queued', 0), event('dispatched', 9), event('expired', 60_000)]))
    expect(steps).toEqual(['queued:proved', 'dispatched:proved', 'expired:proved'])
  })

  it('late result after unknown keeps both', () => {
    const steps = kinds(commandWith('succeeded', [
      event('queued', 0), event('dispatched', 5), event('delivered', 9), event('unknown', 60_000), event('succeeded', 61_000),
    ]))
    expect(steps).toEqual(['queued:proved', 'dispatched:proved', 'delivered:proved', 'unknown:proved', 'succeeded:proved'])
  })
})

describe('withChange', () => {
  const change = (state: CommandState, at: number) => ({ deviceId: 'd1', commandId: 'c1', name: 'set_valve', state, at, evidence: 'device reported' })
  const sent = commandWith('queued', [event('queued', 0, 'principal:p')])

  it('repeated event changes nothing', () => {
    const once = withChange(sent, change('delivered', 200))
    expect(withChange(once, change('delivered', 200))).toEqual(once)
  })

  it('late event does not move the state back', () => {
    const done = withChange(sent, change('succeeded', 900))
    const late = withChange(done, change('delivered', 200))
    expect(late.state).toBe('succeeded')
    expect(kinds(late)).toEqual(['queued:proved', 'dispatched:implied', 'delivered:proved', 'succeeded:proved'])
  })

  it('other command is left alone', () => {
    expect(withChange(sent, { ...change('succeeded', 9), commandId: 'c2' })).toBe(sent)
  })

  it('record with an actor wins over the same heard live', () => {
    const heard = withChange(sent, change('delivered', 150))
    const merged = { ...heard, events: [...heard.events, event('delivered', 200, 'device:d1', 'device reported')] }
    expect(timeline(merged).find((s) => s.key === 'delivered')?.actor).toBe('device:d1')
  })
})

describe('furthest', () => {
  it('first of two final states holds', () => {
    expect(furthest([event('queued', 0), event('failed', 5), event('succeeded', 9)], 'failed')).toBe('failed')
  })
  it('stated state counts when its event is missing', () => {
    expect(furthest([event('queued', 0)], 'running')).toBe('running')
  })
  it('only what no device has can be cancelled', () => {
    expect([isCancellable('dispatched'), isCancellable('delivered'), isCancellable('succeeded')]).toEqual([true, false, false])
  })
})
