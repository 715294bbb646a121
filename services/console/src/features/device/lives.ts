// The lives of a device's certificates on one axis of time.
import type { Certificate } from '@/api/types'
import { day } from '@/app/format'

/** A device renews when two thirds of a certificate's life are over. */
export const renewAfter = (one: Certificate): number | null =>
  one.notBefore === null || one.notAfter === null ? null : Math.round(one.notBefore + ((one.notAfter - one.notBefore) * 2) / 3)

export interface Life {
  key: string
  certificate: Certificate
  /** Fractions of the axis. */
  from: number
  renew: number
  end: number
  /** Where it stopped, or will stop, before its end. */
  stop: number | null
  /** From when another one held beside it. */
  beside: number | null
  words: string
}

export interface Axis {
  from: number
  to: number
  now: number
  lives: Life[]
}

const MOST = 6

/** Newest first, the newest few; null when no certificate has both ends. */
export function axisOf(all: readonly Certificate[], now: number): Axis | null {
  const whole = all.filter((one) => one.notBefore !== null && one.notAfter !== null).slice(0, MOST)
  if (whole.length === 0) return null
  const from = Math.min(...whole.map((one) => one.notBefore ?? now))
  const to = Math.max(...whole.map((one) => one.notAfter ?? now), now)
  const at = (time: number) => (time - from) / (to - from || 1)
  const lives = whole.map((one) => {
    const next = all.find((other) => other.renews === one.serial)
    const stop = one.revokedAt ?? one.supersededAt
    return {
      key: one.serial, certificate: one, from: at(one.notBefore ?? 0), renew: at(renewAfter(one) ?? 0), end: at(one.notAfter ?? 0),
      stop: stop === null ? null : at(Math.min(stop, one.notAfter ?? stop)),
      beside: next?.notBefore ? at(next.notBefore) : null,
      words: lifeWords(one),
    }
  })
  return { from, to, now: at(now), lives }
}

function lifeWords(one: Certificate): string {
  const told = [`issued ${day(one.notBefore)}`, `renews after ${day(renewAfter(one))}`]
  if (one.supersededAt !== null) told.push(`renewed, holds beside the next until ${day(one.supersededAt)}`)
  if (one.revokedAt !== null && one.revokedAt !== one.supersededAt) told.push(`revoked ${day(one.revokedAt)}`)
  told.push(`ends ${day(one.notAfter)}`)
  return told.join(', ')
}
