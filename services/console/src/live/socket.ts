// The one live connection of the page: an unmodified Pusher client against our own server.
import { defineStore } from 'pinia'
import type Pusher from 'pusher-js'
import type { Channel } from 'pusher-js'
import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'
import { getMe, getRealtime } from '@/api/calls'
import type { RealtimeSettings } from '@/api/types'
import { now } from '@/app/clock'
import { linkState } from './link'

const RETRY_MS = 5000

type Handler = (data: unknown) => void
export type Handlers = Record<string, Handler>

function options(settings: RealtimeSettings) {
  const secure = location.protocol === 'https:'
  const port = Number(location.port) || (secure ? 443 : 80)
  return {
    cluster: '',
    wsHost: location.hostname,
    wsPort: port,
    wssPort: port,
    // The client adds "/app/{key}" itself.
    wsPath: settings.path.replace(/\/app\/?$/, ''),
    forceTLS: secure,
    enabledTransports: ['ws' as const, 'wss' as const],
    channelAuthorization: {
      transport: 'ajax' as const,
      endpoint: '/broadcasting/auth',
      headers: { 'X-Yard-Csrf': '1' },
    },
  }
}

export const useLive = defineStore('live', () => {
  const client = shallowRef<Pusher | null>(null)
  const connection = ref('off')
  const everConnected = ref(false)
  const online = ref(navigator.onLine)
  const lastHeard = ref(Date.now())
  const heartbeat = ref(120_000)
  /** Since when the link is not live; null while it is. */
  const downSince = ref<number | null>(null)
  const uses = new Map<string, number>()
  /** Channels that the server would not let this page join. */
  const refused = ref(new Set<string>())

  addEventListener('online', () => (online.value = true))
  addEventListener('offline', () => (online.value = false))

  const state = computed(() =>
    linkState({
      connection: connection.value,
      everConnected: everConnected.value,
      online: online.value,
      silentFor: now.value - lastHeard.value,
      heartbeat: heartbeat.value,
    }),
  )
  watch(state, (next) => {
    downSince.value = next === 'live' ? null : (downSince.value ?? Date.now())
  })

  function observe(pusher: Pusher, settings: RealtimeSettings): void {
    heartbeat.value = settings.activityTimeoutSeconds * 1000
    pusher.connection.bind('state_change', (change: { current: string }) => {
      connection.value = change.current
      // The server ended it for good, most likely with the session: asking says so, and a 401 signs out.
      if (client.value && ['disconnected', 'failed'].includes(change.current)) void getMe().catch(() => {})
      if (change.current !== 'connected') return
      everConnected.value = true
      lastHeard.value = Date.now()
    })
    pusher.connection.bind('message', () => (lastHeard.value = Date.now()))
  }

  let starting: Promise<void> | null = null
  let wanted = false
  async function open(): Promise<void> {
    const [{ default: PusherClient }, settings] = await Promise.all([import('pusher-js'), getRealtime()])
    if (!wanted) return
    connection.value = 'connecting'
    const pusher = new PusherClient(settings.appKey, options(settings))
    observe(pusher, settings)
    client.value = pusher
  }

  /** Connects unless connected; where the settings cannot be had the strip says so, pages still work. */
  function start(): void {
    wanted = true
    if (client.value || starting) return
    starting = open()
      .catch(() => {
        connection.value = 'failed'
        setTimeout(() => wanted && start(), RETRY_MS)
      })
      .finally(() => (starting = null))
  }

  function stop(): void {
    wanted = false
    const pusher = client.value
    client.value = null
    pusher?.disconnect()
    connection.value = 'off'
    everConnected.value = false
    uses.clear()
  }

  function join(name: string, handlers: Handlers): () => void {
    const pusher = client.value
    if (!pusher) return () => {}
    uses.set(name, (uses.get(name) ?? 0) + 1)
    const channel: Channel = pusher.subscribe(name)
    const refuse = () => refused.value.add(name)
    const admit = () => refused.value.delete(name)
    for (const [event, handler] of Object.entries(handlers)) channel.bind(event, handler)
    channel.bind('pusher:subscription_error', refuse)
    channel.bind('pusher:subscription_succeeded', admit)
    return () => {
      admit()
      channel.unbind('pusher:subscription_error', refuse)
      channel.unbind('pusher:subscription_succeeded', admit)
      for (const [event, handler] of Object.entries(handlers)) channel.unbind(event, handler)
      const left = (uses.get(name) ?? 1) - 1
      uses.set(name, left)
      if (left <= 0) pusher.unsubscribe(name)
    }
  }

  return { state, refused, downSince, lastHeard, client, start, stop, join }
})

/**
 * Listens to a channel for as long as the calling component lives; follows a changing name.
 * Nothing is resumed after a broken link: take a new snapshot at `pusher:subscription_succeeded`,
 * which also comes at each rejoin.
 */
export function useChannel(name: () => string | null, handlers: Handlers): void {
  const live = useLive()
  let leave = () => {}
  watch(
    () => [live.client, name()] as const,
    ([pusher, channel]) => {
      leave()
      leave = pusher && channel ? live.join(channel, handlers) : () => {}
    },
    { immediate: true },
  )
  onScopeDispose(() => leave())
}
