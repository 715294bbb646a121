// Numbers and times in words. All take milliseconds since 1970.

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** A length of time in its largest whole unit: "9 s", "4 min", "3 h", "12 d". */
export function duration(ms: number): string {
  const length = Math.max(0, ms)
  if (length < MINUTE) return `${Math.floor(length / SECOND)} s`
  if (length < HOUR) return `${Math.floor(length / MINUTE)} min`
  if (length < 2 * DAY) return `${Math.floor(length / HOUR)} h`
  return `${Math.floor(length / DAY)} d`
}

/** How long ago, or "never". A clock slightly ahead of ours still reads "now". */
export function age(at: number | null, now: number): string {
  if (at === null) return 'never'
  return now - at < SECOND ? 'now' : `${duration(now - at)} ago`
}

/** Since the first step: "+208 ms", "+4.1 s", "+3 min". */
export function offset(ms: number): string {
  const length = Math.max(0, Math.round(ms))
  if (length < SECOND) return `+${length} ms`
  if (length < MINUTE) return `+${(length / SECOND).toFixed(1)} s`
  return `+${duration(length)}`
}

/** Milliseconds in the fewest characters that keep their meaning: "840 ms", "2.4 s", "6 min". */
export function span(ms: number): string {
  return offset(ms).slice(1)
}

const clockFormat = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })
const dayFormat = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' })

/** Time of day in the viewer's zone. */
export const clock = (at: number): string => clockFormat.format(at)

/** Day and time of day; the day is left out for today. */
export function moment(at: number | null, now = Date.now()): string {
  if (at === null) return 'never'
  const sameDay = new Date(at).toDateString() === new Date(now).toDateString()
  return sameDay ? clock(at) : `${dayFormat.format(at)}, ${clock(at)}`
}

export const day = (at: number | null): string => (at === null ? 'never' : dayFormat.format(at))
export const utc = (at: number): string => `${new Date(at).toISOString().slice(11, 19)} UTC`

const integers = new Intl.NumberFormat('en-GB')

export const count = (value: number): string => integers.format(value)

/** A measured value with about four significant digits, never in exponent form for usual sizes. */
export function measure(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value !== 'number' || !Number.isFinite(value)) return value === undefined || value === null ? '–' : String(value)
  const size = Math.abs(value)
  if (size !== 0 && (size < 0.001 || size >= 1e9)) return value.toExponential(3)
  const digits = size >= 1000 ? 1 : size >= 100 ? 2 : 3
  return String(Number(value.toFixed(digits)))
}

const UNITS: Record<string, string> = { Cel: '°C', '%': '%', '1': '', m3: 'm³', '[degF]': '°F', 'L/s': 'L/s', '[ppm]': 'ppm' }

/** A UCUM code as people write it. */
export const unit = (ucum: string): string => UNITS[ucum] ?? ucum.replace(/^\[(.*)]$/, '$1')

/** The end of a long identifier, enough to tell two apart. */
export const short = (id: string): string => (id.length > 13 ? `…${id.slice(-8)}` : id)

/** Whole days left; negative when past. */
export const daysLeft = (at: number, now: number): number => Math.floor((at - now) / DAY)

const SIZES = ['bytes', 'kB', 'MB', 'GB', 'TB']

/** Bytes in their largest unit of a thousand: "840 bytes", "1.2 MB". */
export function fileSize(bytes: number): string {
  let unit = 0
  let size = bytes
  while (size >= 999.5 && unit < SIZES.length - 1) {
    size /= 1000
    unit += 1
  }
  return `${unit === 0 || size >= 100 ? Math.round(size) : Number(size.toFixed(1))} ${SIZES[unit]}`
}

export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`
