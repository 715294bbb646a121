// The tenant's devices as one long list, of which pages are loaded when they come into view.
import { computed, onScopeDispose, ref, shallowRef, triggerRef, type ComputedRef, type Ref, type ShallowRef } from 'vue'
import { listDevices, type DeviceFilter } from '@/api/calls'
import { problemOf, type Problem } from '@/api/problem'
import type { Device, DevicePage, PresenceCounts } from '@/api/types'
import type { PresenceChange } from '@/live/events'
import { overtaking } from '@/live/overtaking'

const SKELETON_AFTER_MS = 150

export type LoadPage = (filter: DeviceFilter, token: string, signal: AbortSignal) => Promise<DevicePage>

export interface DeviceList {
  total: Ref<number>
  counts: ShallowRef<PresenceCounts | null>
  problem: ShallowRef<Problem | null>
  waiting: Ref<boolean>
  ready: Ref<boolean>
  loaded: ComputedRef<number>
  at: (index: number) => Device | undefined
  start: (filter: DeviceFilter) => Promise<void>
  see: (first: number, last: number) => void
  refresh: () => Promise<void>
  apply: (changes: PresenceChange[]) => void
}

/** Patches presence into rows and counters; true when a change was of a device that is not loaded. */
export function applyPresence(
  devices: Map<string, Device>,
  counts: PresenceCounts | null,
  changes: PresenceChange[],
): boolean {
  let unknown = false
  for (const change of changes) {
    const device = devices.get(change.deviceId)
    if (!device) {
      unknown = true
      continue
    }
    // Events may arrive out of order or twice; the newest by the server's time holds.
    if ((device.presenceChangedAt ?? 0) > change.at) continue
    if (counts && device.presence !== change.presence) {
      counts[device.presence] -= 1
      counts[change.presence] += 1
    }
    device.presence = change.presence
    device.presenceChangedAt = change.at
    if (change.presence === 'online') device.lastSeenAt = Math.max(device.lastSeenAt ?? 0, change.at)
  }
  return unknown
}

/** Puts what was heard meanwhile into a page; changes of devices that are not in it do not matter. */
function putPresence(page: DevicePage, changes: PresenceChange[]): DevicePage {
  applyPresence(new Map(page.devices.map((device) => [device.id, device])), page.counts, changes)
  return page
}

export function useDeviceList(loadPage: LoadPage = listDevices): DeviceList {
  const total = ref(0)
  const counts = shallowRef<PresenceCounts | null>(null)
  const problem = shallowRef<Problem | null>(null)
  const waiting = ref(false)
  const ready = ref(false)
  // Pages in order; the token of a page is what the page before it gave.
  const pages = shallowRef<{ token: string; devices: Device[] }[]>([])
  const byId = new Map<string, Device>()
  let filter: DeviceFilter = { prefix: '', presence: null }
  let nextToken = ''
  let abort = new AbortController()
  let wanted = { first: 0, last: 0 }
  let filling = false

  const meanwhile = overtaking<PresenceChange>()
  const load: LoadPage = (...asked) => meanwhile.ask(() => loadPage(...asked), putPresence)

  const rows = computed(() => pages.value.flatMap((page) => page.devices))
  const loaded = computed(() => rows.value.length)
  const at = (index: number): Device | undefined => rows.value[index]

  function accept(page: DevicePage): void {
    total.value = page.total
    counts.value = { ...page.counts }
    for (const device of page.devices) byId.set(device.id, device)
  }

  async function start(next: DeviceFilter): Promise<void> {
    abort.abort()
    abort = new AbortController()
    const { signal } = abort
    filter = next
    wanted = { first: 0, last: 0 }
    const timer = setTimeout(() => (waiting.value = true), SKELETON_AFTER_MS)
    try {
      const page = await load(filter, '', signal)
      if (signal.aborted) return
      byId.clear()
      accept(page)
      pages.value = [{ token: '', devices: page.devices }]
      nextToken = page.nextToken
      problem.value = null
      ready.value = true
    } catch (thrown) {
      if (!signal.aborted) problem.value = problemOf(thrown)
    } finally {
      clearTimeout(timer)
      if (!signal.aborted) waiting.value = false
    }
    void fill()
  }

  /** Loads page after page until what is in view is there. */
  async function fill(): Promise<void> {
    if (filling) return
    filling = true
    const { signal } = abort
    try {
      while (!signal.aborted && nextToken && wanted.last >= loaded.value) {
        const token = nextToken
        const page = await load(filter, token, signal)
        if (signal.aborted) break
        accept(page)
        pages.value = [...pages.value, { token, devices: page.devices }]
        nextToken = page.nextToken
      }
    } catch (thrown) {
      if (!signal.aborted) problem.value = problemOf(thrown)
    } finally {
      filling = false
    }
    if (signal.aborted && !abort.signal.aborted && ready.value) void fill()
  }

  function see(first: number, last: number): void {
    wanted = { first, last }
    void fill()
  }

  /** Takes the pages in view again, quietly: ages and states that no event told of. */
  async function refresh(): Promise<void> {
    if (!ready.value) return start(filter)
    const { signal } = abort
    try {
      let offset = 0
      for (const [index, held] of pages.value.entries()) {
        const first = offset
        offset += held.devices.length
        if (offset <= wanted.first || first > wanted.last) continue
        const page = await load(filter, held.token, signal)
        if (signal.aborted) return
        accept(page)
        pages.value[index] = { token: held.token, devices: page.devices }
        if (index === pages.value.length - 1) nextToken = page.nextToken
      }
      triggerRef(pages)
      problem.value = null
    } catch (thrown) {
      if (!signal.aborted) problem.value = problemOf(thrown)
    }
  }

  let recount: ReturnType<typeof setTimeout> | null = null
  function apply(changes: PresenceChange[]): void {
    meanwhile.heard(changes)
    const unknown = applyPresence(byId, counts.value, changes)
    triggerRef(pages)
    if (counts.value) counts.value = { ...counts.value }
    // At most one recount in two seconds, however many devices changed.
    if (unknown) recount ??= setTimeout(() => ((recount = null), void refresh()), 2000)
  }

  onScopeDispose(() => {
    abort.abort()
    if (recount) clearTimeout(recount)
  })
  return { total, counts, problem, waiting, ready, loaded, at, start, see, refresh, apply }
}
