// One metric's readings in equal time buckets: history from the server, then live readings folded
// into the same buckets, so that a chart costs the same however long it is watched.
import type { Bucket } from '@/api/types'
import type { Columns } from '@/ui/chart'

export interface Range {
  key: string
  label: string
  ms: number
  buckets: number
}

const MINUTE = 60_000

export const RANGES: readonly Range[] = [
  { key: '15m', label: '15 min', ms: 15 * MINUTE, buckets: 450 },
  { key: '1h', label: '1 h', ms: 60 * MINUTE, buckets: 600 },
  { key: '24h', label: '24 h', ms: 1440 * MINUTE, buckets: 720 },
  { key: '7d', label: '7 d', ms: 10_080 * MINUTE, buckets: 672 },
]

export class SeriesBuffer {
  private held: Bucket[] = []
  private origin: number

  constructor(
    from: number,
    readonly width: number,
    history: Bucket[] = [],
  ) {
    this.origin = from
    this.held = history.toSorted((a, b) => a.start - b.start)
  }

  /** Folds one live reading in. Minimum and maximum stay right even when a reading comes twice. */
  add(at: number, value: number): void {
    const start = this.origin + Math.floor((at - this.origin) / this.width) * this.width
    const index = this.held.findLastIndex((bucket) => bucket.start <= start)
    const bucket = this.held[index]
    if (bucket && start - bucket.start < this.width) {
      bucket.min = Math.min(bucket.min, value)
      bucket.max = Math.max(bucket.max, value)
      bucket.mean = (bucket.mean * bucket.count + value) / (bucket.count + 1)
      bucket.count += 1
      return
    }
    this.held.splice(index + 1, 0, { start, min: value, max: value, mean: value, count: 1 })
  }

  dropBefore(time: number): void {
    const keep = this.held.findIndex((bucket) => bucket.start + this.width >= time)
    if (keep !== 0) this.held = keep < 0 ? [] : this.held.slice(keep)
  }

  /** For the chart. A silence clearly longer than the usual distance becomes a break in the line. */
  columns(): Columns {
    const limit = this.gapLimit()
    const out: Columns = { x: [], min: [], mean: [], max: [] }
    let before: number | null = null
    for (const bucket of this.held) {
      const x = bucket.start + this.width / 2
      if (before !== null && bucket.start - before > limit) push(out, x - this.width, null)
      push(out, x, bucket)
      before = bucket.start
    }
    return out
  }

  private gapLimit(): number {
    const distances = this.held.slice(1).map((bucket, i) => bucket.start - (this.held[i]?.start ?? 0))
    distances.sort((a, b) => a - b)
    const median = distances[Math.floor(distances.length / 2)] ?? this.width
    return Math.max(3 * median, 2.5 * this.width)
  }
}

function push(out: Columns, x: number, bucket: Bucket | null): void {
  out.x.push(x / 1000)
  out.min.push(bucket?.min ?? null)
  out.mean.push(bucket?.mean ?? null)
  out.max.push(bucket?.max ?? null)
}
