import { clock, measure } from '@/app/format'

/** What a chart draws. `x` in seconds; null breaks the line. */
export interface Columns {
  x: number[]
  min: (number | null)[]
  mean: (number | null)[]
  max: (number | null)[]
}

const DAY_SECONDS = 86_400

/** A tick in the viewer's zone: the day at coarse steps and at midnight, else the time of day. */
export function axisTime(seconds: number, step: number): string {
  const at = new Date(seconds * 1000)
  const midnight = at.getHours() === 0 && at.getMinutes() === 0 && at.getSeconds() === 0
  if (step >= DAY_SECONDS || (midnight && step >= 3600)) {
    return at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })
  }
  const time = clock(at.getTime())
  return step < 60 ? time : time.slice(0, 5)
}

/** The chart in one sentence, for whoever cannot see it. */
export function seriesSummary(label: string, unit: string, columns: Columns): string {
  const known = (values: (number | null)[]) => values.filter((v): v is number => v !== null)
  const means = known(columns.mean)
  if (means.length === 0) return `${label}: no readings in this range`
  const low = Math.min(...known(columns.min))
  const high = Math.max(...known(columns.max))
  const last = means.at(-1)
  return `${label}: between ${measure(low)} and ${measure(high)} ${unit}, last ${measure(last)} ${unit}, ${means.length} points`
}
