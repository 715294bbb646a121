import { shallowRef } from 'vue'
import type { Problem } from '@/api/problem'

/** Why the console could not learn who is signed in; null when it could. */
export const startFault = shallowRef<Problem | null>(null)
