import { switchTenant } from '@/api/memberships'
import { tellTabs } from '@/app/tabs'

/**
 * Goes over to another tenant, and on to a path there. The page is loaded anew: no store, no cache, no
 * call under way and no socket of the tenant before is left. Comes back only when it was refused.
 */
export async function goOver(tenant: string, path = '/'): Promise<void> {
  tellTabs(await switchTenant(tenant))
  location.assign(path)
  await new Promise(() => {})
}
