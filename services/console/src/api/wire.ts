// How the generated messages are read.
import type { components } from './schema'

/** As declared, but trusting nothing to be there: a server of another release may leave it out. */
type Partially<T> = T extends (infer U)[] ? Partially<U>[] : T extends object ? { [K in keyof T]?: Partially<T[K]> } : T
export type Wire = { [K in keyof components['schemas']]: Partially<components['schemas'][K]> }
/** Milliseconds since 1970; null where the wire has none. */
export type Time = number | null

export const time = (value: string | null | undefined): Time => (value ? Date.parse(value) : null)
export const text = (value: string | null | undefined): string => value ?? ''
export const whole = (value: number | string | null | undefined): number => Number(value ?? 0)
