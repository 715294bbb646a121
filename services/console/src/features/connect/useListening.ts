// What is heard of a device that is being connected: its certificate, its presence, its first
// reading, and what was refused with the reason.
import { computed, ref, shallowRef, type Ref } from 'vue'
import { getDevice, someReading, listCertificates, listQuarantine } from '@/api/calls'
import type { Quarantined, Reading } from '@/api/types'
import { usePolling } from '@/app/query'
import { deviceChannel, presenceChange, telemetryEvent } from '@/live/events'
import { useChannel } from '@/live/socket'

const ASK_MS = 3000

export function useListening(tenantId: () => string, deviceId: Ref<string | null>) {
  const reading = shallowRef<Reading | null>(null)
  const refused = shallowRef<Quarantined[]>([])
  const certified = ref(false)
  const online = ref(false)
  /** How often presence was heard: an answer that was asked for before then is older. */
  let heardPresence = 0

  useChannel(() => (deviceId.value ? deviceChannel(tenantId(), deviceId.value) : null), {
    'telemetry.received': (data) => {
      reading.value ??= telemetryEvent(data)
    },
    'presence.changed': (data) => {
      const change = presenceChange(data)
      if (!change) return
      heardPresence += 1
      online.value = change.presence === 'online'
    },
  })

  /** Asked as well as heard: the certificate and what was refused have no live event. */
  async function ask(): Promise<void> {
    const id = deviceId.value
    if (!id || reading.value) return
    const before = heardPresence
    const [certificates, quarantine, newest, device] = await Promise.all([
      listCertificates(id), listQuarantine(id), someReading(id), getDevice(id),
    ])
    if (id !== deviceId.value) return
    certified.value = certificates.some((one) => one.revokedAt === null)
    refused.value = quarantine.rows.slice(0, 5)
    reading.value ??= newest
    if (before === heardPresence) online.value = device.presence === 'online'
  }
  // A failed question is asked again in three seconds; the strip shows a lost link.
  usePolling(() => void ask().catch(() => {}), ASK_MS)

  return { reading, refused, certified, online, heard: computed(() => reading.value !== null) }
}
