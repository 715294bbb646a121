import { reactive } from 'vue'
import type { Tone } from './tones'

export interface Toast {
  id: number
  tone: Tone
  text: string
}

const LIFE_MS = 6000
let last = 0

export const toasts = reactive<Toast[]>([])

export function dismiss(id: number): void {
  const index = toasts.findIndex((toast) => toast.id === id)
  if (index >= 0) toasts.splice(index, 1)
}

/** Says something that has happened. Faults stay until dismissed. */
export function toast(text: string, tone: Tone = 'ok'): void {
  const id = ++last
  toasts.push({ id, tone, text })
  if (tone !== 'crit') setTimeout(() => dismiss(id), LIFE_MS)
}
