// A limit and its use as a bar: how long it is, where its edge stands, and what that means.
import type { LimitUse } from '@/api/organization'
import { count } from '@/app/format'
import type { Tone } from '@/ui/tones'

export interface LimitBar {
  key: string
  name: string
  meaning: string
  /** Null where nothing is limited. */
  bar: { fill: number; edge: number } | null
  tone: Tone
  words: string
  numbers: string
  source: string
}

const NAMES: Record<string, string> = {
  devices: 'Devices',
  contracts: 'Contracts',
  commands_per_day: 'Commands today',
  people: 'Members',
  api_tokens: 'API tokens',
}
/** Where it is said how many there may be, beside no use. */
const GIVEN: Record<string, string> = { ...NAMES, commands_per_day: 'Commands a day' }
export const KNOWN_LIMITS: readonly string[] = Object.keys(NAMES)
/** From this part on it is said that the edge is near. */
const NEAR = 0.8
/** Room behind the edge, so that it is seen as one. */
const BEYOND = 1.08

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1).replaceAll('_', ' ')

export const limitName = (name: string): string => GIVEN[name] ?? capital(name)

function standing(used: number, most: number): { tone: Tone; words: string } {
  if (used > most) return { tone: 'crit', words: `${count(used - most)} above the limit: they stay, one more is refused` }
  if (used === most) return { tone: 'crit', words: 'Full: one more is refused' }
  const left = `${count(most - used)} left`
  return used >= most * NEAR ? { tone: 'warn', words: `Nearly full: ${left}` } : { tone: 'ok', words: left }
}

/** `agreed` says whose own number it is. */
export function limitBar({ name, meaning, most, used, source }: LimitUse, agreed = 'agreed with you'): LimitBar {
  const base = { key: name, name: NAMES[name] ?? capital(name), meaning }
  if (source === 'LIMIT_SOURCE_NONE' || source === 'LIMIT_SOURCE_UNSPECIFIED') {
    return { ...base, bar: null, tone: 'none', words: 'Not limited', numbers: count(used), source: '' }
  }
  const scale = Math.max(most * BEYOND, used, 1)
  return {
    ...base,
    ...standing(used, most),
    bar: { fill: used / scale, edge: most / scale },
    numbers: `${count(used)} of ${count(most)}`,
    source: source === 'LIMIT_SOURCE_TENANT' ? agreed : 'from the plan',
  }
}
