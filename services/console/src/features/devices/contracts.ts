import { computed, type ComputedRef } from 'vue'
import { listContracts } from '@/api/calls'
import type { Contract } from '@/api/types'
import { useQuery, type Query } from '@/app/query'

export const contractTitle = (contract: Contract): string => `${contract.name} v${contract.version}`

/** The tenant's contracts and how they are called in lists. */
export function useContracts(): Query<Contract[]> & { name: (id: string) => string; byId: ComputedRef<Map<string, Contract>> } {
  const query = useQuery(listContracts)
  const byId = computed(() => new Map((query.data.value ?? []).map((c) => [c.id, c])))
  const name = (id: string): string => {
    const found = byId.value.get(id)
    return found ? contractTitle(found) : '–'
  }
  return { ...query, byId, name }
}
