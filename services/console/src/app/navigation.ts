import type { Me } from '@/api/types'

export interface NavigationItem {
  label: string
  to: string
  /** Its key sequence, see the key registry. */
  keys: string
  isActive: (path: string) => boolean
}

export interface NavigationGroup {
  /** Empty for what one comes here for. */
  label: string
  items: NavigationItem[]
}

const item = (label: string, to: string, keys: string, area = to): NavigationItem => ({
  label,
  to,
  keys,
  isActive: (path) => path === to || path === area || path.startsWith(`${area}/`),
})

/** Where something may be seen with any one of these rights. */
type Entry = [rights: string[], NavigationItem]

function tenantGroups(slug: string): { label: string; entries: Entry[] }[] {
  const at = `/t/${slug}`
  return [
    {
      label: '',
      entries: [
        [[], item('Devices', `${at}/devices`, 'g d')],
        [['devices.enroll'], item('Connect a device', `${at}/connect`, 'g c')],
        [['devices.enroll'], item('Returned devices', `${at}/returned`, 'g e')],
      ],
    },
    {
      label: 'Organisation',
      entries: [
        [['people.read', 'tenant.manage'], item('Settings', `${at}/settings`, 'g i')],
        [['people.read'], item('People', `${at}/people`, 'g p')],
        [['rights.read'], item('Rights', `${at}/rights`, 'g r')],
        [['tenant.manage'], item('Applications', `${at}/applications`, 'g n')],
        [['realtime.manage'], item('Realtime apps', `${at}/realtime-apps`, 'g y')],
        [['realtime.manage'], item('Channels', `${at}/channels`, 'g h')],
        [['tenant.manage'], item('Support access', `${at}/support-access`, 'g u')],
        [['audit.read'], item('Audit', `${at}/audit`, 'g a')],
        [[], item('API tokens', `${at}/tokens`, 'g t')],
      ],
    },
  ]
}

const platform: { label: string; entries: Entry[] } = {
  label: 'Platform',
  entries: [
    [['ops.read'], item('Queues', '/ops/queues', 'g q')],
    [['ops.read'], item('Jobs', '/ops/jobs', 'g j')],
    [['ops.read'], item('Schedules', '/ops/schedules', 'g s')],
    [['ops.read'], item('Protection', '/ops/protection', 'g o')],
    [['tenants.read'], item('Tenants', '/ops/tenants', 'g w')],
    [['keys.manage'], item('Signing keys', '/ops/keys', 'g k')],
    [['ops.break_glass'], item('Break-glass', '/ops/break-glass', 'g b')],
    [['ops.read'], item('Platform audit', '/ops/audit', 'g l')],
  ],
}

/** What this person can go to. Pages they may not use are not offered, nor are empty groups. */
export function navigation(me: Me | null): NavigationGroup[] {
  if (!me || me.secondFactorMissing) return []
  const may = (rights: string[]) => rights.length === 0 || rights.some((right) => me.permissions.includes(right))
  // Where there is nothing else, the rail's head says already what it is.
  const groups = me.tenantSlug ? [...tenantGroups(me.tenantSlug), platform] : [{ ...platform, label: '' }]
  return groups
    .map(({ label, entries }) => ({ label, items: entries.filter(([rights]) => may(rights)).map(([, one]) => one) }))
    .filter((group) => group.items.length > 0)
}
