import { describe, expect, it } from 'vitest'
import { changesOf, draftOf, faultsOf, originFault, prefixFault } from '@/features/realtime/draft'
import { snippets } from '@/features/realtime/snippets'
import { emptyWebhook, told, urlFault } from '@/features/realtime/webhooks'

const app = {
  app_id: '4210987654', key: '0123456789abcdef0123', name: 'Shop', disabled: false, client_events: false, client_events_per_second: 10, allowed_origins: ['*'],
  max_connections: 0, max_members: 100, max_event_bytes: 10_240, subscription_count: false, recoverable_prefixes: ['private-a.'], history_events: 300, history_seconds: 300, secrets: [], webhooks: [], created_at: '',
}

describe('change of an app', () => {
  it('is only what is otherwise', () => {
    expect(changesOf(draftOf(app), app)).toEqual({})
    expect(changesOf({ ...draftOf(app), name: ' Shop ', origins: '' }, app)).toEqual({})
    expect(changesOf({ ...draftOf(app), clientEvents: true, members: '7' }, app)).toEqual({ client_events: true, max_members: 7 })
    expect(changesOf({ ...draftOf(app), recoverable: ' private-b. \nprivate-a.\nprivate-b.', kept: '9' }, app)).toEqual({ recoverable_prefixes: ['private-a.', 'private-b.'], history_events: 9 })
    expect(changesOf({ ...draftOf(app), recoverable: ' ' }, app)).toEqual({ recoverable_prefixes: [] })
    expect(changesOf({ ...draftOf(app), origins: 'https://a.example\n\n https://b.example' }, app)).toEqual({ allowed_origins: ['https://a.example', 'https://b.example'] })
  })
  it('is held to the contract’s edges', () => {
    const faults = (part: object) => Object.keys(faultsOf({ ...draftOf(app), ...part }))
    expect(faults({ perSecond: '1', members: '1000', bytes: '65536', connections: '0', name: 'é'.repeat(60) })).toEqual([])
    expect(faults({ perSecond: '0' })).toEqual(['perSecond'])
    expect(faults({ perSecond: '101', members: '1001', bytes: '1023' })).toEqual(['perSecond', 'members', 'bytes'])
    expect(faults({ connections: '-1' })).toEqual(['connections'])
    expect(faults({ connections: '1.5', name: ' ' })).toEqual(['name', 'connections'])
    expect(faults({ name: 'é'.repeat(61) })).toEqual(['name'])
    expect(faults({ kept: '1000', keptFor: '86400' })).toEqual([])
    expect(faults({ recoverable: 'a b', kept: '1001', keptFor: '0' })).toEqual(['recoverable', 'kept', 'keptFor'])
  })
})

it.each(['*', 'https://shop.example', 'http://localhost:5173', 'http://[::1]:80'])('%s is an origin', (text) => expect(originFault(text)).toBe(''))
it.each(['shop.example', 'https://Shop.example', 'https://shop.example/', 'https://'])('%s is none', (text) => expect(originFault(text)).not.toBe(''))
it('counts origins', () => {
  const many = (count: number) => Array.from({ length: count }, (_, n) => `https://a${n}.example`).join('\n')
  expect(originFault(many(32))).toBe('')
  expect(originFault(many(33))).toBe('At most 32')
})

it('counts and reads starts of channels', () => {
  const many = (count: number) => Array.from({ length: count }, (_, n) => `private-${n}.`).join('\n')
  expect(prefixFault(many(16))).toBe('')
  expect(prefixFault(many(17))).toBe('At most 16')
  expect(prefixFault('x'.repeat(100))).toBe('')
  expect(prefixFault('x'.repeat(101))).not.toBe('')
  expect(prefixFault('private-*')).not.toBe('')
})

it('snippets hold the app and the host, and no secret', () => {
  const texts = snippets(app, { hostname: 'yard.example', port: '', protocol: 'https:' }).map((one) => one.text)
  expect(texts).toHaveLength(3)
  for (const text of texts) {
    expect(text).toContain(app.key)
    expect(text).toContain('yard.example')
    expect(text).toContain('443')
  }
  expect(texts[2]).toContain(app.app_id)
  expect(texts[2]).toContain('process.env.REALTIME_SECRET')
})

it('webhook says what it is told, and an address is one of its own', () => {
  expect(told(emptyWebhook())).toBe('everything')
  expect(told({ url: 'x', kinds: ['member_added', 'member_removed'], channel_prefix: 'presence-', disabled: true })).toBe('member_added, member_removed of presence-…, disabled')
  expect(urlFault('https://a.example/x', [])).toBe('')
  expect(urlFault('https://a.example/x', [{ ...emptyWebhook(), url: 'https://a.example/x' }])).toBe('Is there already')
  for (const bad of ['', 'a.example', 'ftp://a.example', 'https://']) expect(urlFault(bad, [])).not.toBe('')
})
