// Whether the platform turns people away for maintenance: known from what requests are answered.
import { shallowRef } from 'vue'
import type { Problem } from '@/api/problem'

export const MAINTENANCE = 'service.maintenance'

/** The newest refusal for maintenance; null once anything is answered well. */
export const paused = shallowRef<Problem | null>(null)

export function noteAnswer(problem: Problem | null): void {
  if (problem?.code === MAINTENANCE) paused.value = problem
  else if (problem === null) paused.value = null
}
