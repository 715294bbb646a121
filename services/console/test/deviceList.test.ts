import { effectScope } from 'vue'
import { describe, expect, it, vi } from 'vitest'
import type { Device, DevicePage } from '@/api/types'
import { applyPresence, useDeviceList, type DeviceList, type LoadPage } from '@/features/devices/deviceList'

const device = (n: number, presence: Device['presence'] = 'online'): Device => ({
  id: `d${n}`, name: `Device ${n}`, externalId: '', contractId: 'c', labels: {}, presence, presenceChangedAt: 100, lastSeenAt: null, createdAt: null,
})
const counts = () => ({ never: 0, online: 9, stale: 0, offline: 0 })

/** Nine devices in pages of three. */
const load: LoadPage = async (_filter, token) => {
  const first = Number(token || 0)
  const page: DevicePage = { devices: [0, 1, 2].map((n) => device(first + n)), nextToken: first + 3 < 9 ? String(first + 3) : '', total: 9, counts: counts() }
  return page
}
const inScope = (loader: LoadPage): DeviceList => effectScope().run(() => useDeviceList(loader))!
const everything = { prefix: '', presence: null }

describe('device list', () => {
  it('loads page after page until what is in view is there', async () => {
    const list = inScope(load)
    await list.start(everything)
    expect([list.total.value, list.loaded.value]).toEqual([9, 3])
    list.see(7, 8)
    await vi.waitFor(() => expect(list.loaded.value).toBe(9))
    expect(list.at(8)?.id).toBe('d8')
    expect(list.at(9)).toBeUndefined()
  })

  it('answer of an older filter is thrown away', async () => {
    let release = () => {}
    const slow = new Promise<void>((done) => (release = done))
    const list = inScope(async (filter, token, signal) => {
      if (filter.prefix === 'old') await slow
      return { ...(await load(filter, token, signal)), total: filter.prefix === 'old' ? 1 : 9 }
    })
    const first = list.start({ prefix: 'old', presence: null })
    await list.start(everything)
    release()
    await first
    expect(list.total.value).toBe(9)
  })

  it('change that overtakes the answer of a refresh is not lost', async () => {
    let release = () => {}
    let held: Promise<void> = Promise.resolve()
    const list = inScope(async (...asked) => {
      const page = await load(...asked)
      await held
      return page
    })
    await list.start(everything)
    held = new Promise<void>((done) => (release = done))
    const refreshed = list.refresh()
    list.apply([{ deviceId: 'd1', presence: 'offline', at: 200 }])
    release()
    await refreshed
    expect([list.at(1)?.presence, list.counts.value]).toEqual(['offline', { ...counts(), online: 8, offline: 1 }])
  })

  it('failure is shown and a retry clears it', async () => {
    const loader = vi.fn(load).mockRejectedValueOnce(new TypeError('down'))
    const list = inScope(loader)
    await list.start(everything)
    expect([list.problem.value?.offline, list.ready.value]).toEqual([true, false])
    await list.refresh()
    expect([list.problem.value, list.ready.value]).toEqual([null, true])
  })
})

describe('applyPresence', () => {
  it('moves the counters and ignores what is older', () => {
    const known = new Map([['d1', device(1)]])
    const tally = counts()
    expect(applyPresence(known, tally, [{ deviceId: 'd1', presence: 'offline', at: 200 }])).toBe(false)
    expect(applyPresence(known, tally, [{ deviceId: 'd1', presence: 'stale', at: 150 }])).toBe(false)
    expect(known.get('d1')?.presence).toBe('offline')
    expect(tally).toEqual({ never: 0, online: 8, stale: 0, offline: 1 })
  })
  it('says when a device is not known here', () => {
    expect(applyPresence(new Map(), counts(), [{ deviceId: 'dx', presence: 'online', at: 1 }])).toBe(true)
  })
})
