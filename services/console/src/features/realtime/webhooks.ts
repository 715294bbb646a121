// An app's webhooks, as a person types them.
import type { RealtimeWebhook } from '@/api/realtimeApps'

export const MOST_WEBHOOKS = 5

/** Pusher's names, and what they say. */
export const KINDS: { kind: string; says: string }[] = [
  { kind: 'channel_occupied', says: 'somebody is in a channel' },
  { kind: 'channel_vacated', says: 'nobody is any more' },
  { kind: 'member_added', says: 'a member came' },
  { kind: 'member_removed', says: 'a member left' },
  { kind: 'client_event', says: 'a client sent an event' },
  { kind: 'cache_miss', says: 'a cache channel has nothing to give' },
  { kind: 'subscription_count', says: 'how many listen has changed' },
]

export const emptyWebhook = (): RealtimeWebhook => ({ url: '', kinds: [], channel_prefix: '', disabled: false })

/** In a few words. */
export function told(one: RealtimeWebhook): string {
  const kinds = one.kinds.length ? one.kinds.join(', ') : 'everything'
  return `${kinds}${one.channel_prefix ? ` of ${one.channel_prefix}…` : ''}${one.disabled ? ', disabled' : ''}`
}

/** What keeps an address from being sent; whether it may be called is the platform's to say. */
export function urlFault(url: string, others: RealtimeWebhook[]): string {
  if (!/^https?:\/\/[^\s/]+/.test(url)) return 'An address as https://shop.example/pusher'
  return others.some((other) => other.url === url) ? 'Is there already' : ''
}
