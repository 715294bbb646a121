// Numbers of limits as somebody writes them: the text of each field by the name of its limit.
import type { Problem } from '@/api/problem'
import { count } from '@/app/format'

export type Texts = Record<string, string>
export type Numbers = Record<string, number>

/** What is wrong with a number; an empty one is none, and allowed. */
export function numberFault(text: string): string {
  const written = text.trim()
  if (!/^\d*$/.test(written)) return 'A whole number from 0, digits only'
  return Number.isSafeInteger(Number(written)) ? '' : `At most ${count(Number.MAX_SAFE_INTEGER)}`
}

/** The number that was written; null where none was, or something else. */
export const numberIn = (text = ''): number | null => (text.trim() === '' || numberFault(text) ? null : Number(text))

export const textsOf = (names: readonly string[], numbers: Numbers): Texts => Object.fromEntries(names.map((name) => [name, String(numbers[name] ?? '')]))

/** Those that were written. */
export function numbersIn(texts: Texts): Numbers {
  const entries = Object.entries(texts).map(([name, text]) => [name, numberIn(text)] as const)
  return Object.fromEntries(entries.filter((entry): entry is [string, number] => entry[1] !== null))
}

export function sameNumbers(one: Numbers, other: Numbers): boolean {
  const names = Object.keys(one)
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name])
}

/** A refusal of the value at `pointer`, with its code; empty when it is about something else. */
export const refusedAt = (problem: Problem | null, pointer: string): string =>
  problem?.pointer === pointer ? `${problem.detail || problem.title} (${problem.code})` : ''
