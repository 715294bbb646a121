import type { Me } from '@/api/types'

export interface NavigationItem {
  label: string
  to: string
  /** Its key sequence, see the key registry. */
  keys: string
  isActive: (path: string) => boolean
}

const item = (label: string, to: string, keys: string): NavigationItem => ({
  label,
  to,
  keys,
  isActive: (path) => path === to || path.startsWith(`${to}/`),
})

/** What this person can go to. Pages they may not use are not offered. */
export function navigation(me: Me | null): NavigationItem[] {
  if (!me) return []
  const items: NavigationItem[] = []
  if (me.tenantSlug) {
    items.push(item('Devices', `/t/${me.tenantSlug}/devices`, 'g d'))
    if (me.permissions.includes('devices.enroll')) {
      items.push(item('Connect a device', `/t/${me.tenantSlug}/connect`, 'g c'))
    }
  }
  if (me.permissions.includes('ops.read')) {
    items.push(item('Queues', '/ops/queues', 'g q'))
    items.push(item('Jobs', '/ops/jobs', 'g j'))
    items.push(item('Schedules', '/ops/schedules', 'g s'))
  }
  return items
}
