// The life of a signing key as four places in a row, and which keys stand in each.
import type { SigningKey } from '@/api/keys'
import type { Tone } from '@/ui/tones'

export interface Place {
  state: SigningKey['state']
  word: string
  does: string
  tone: Tone
  keys: SigningKey[]
}

const PLACES: readonly Omit<Place, 'keys'>[] = [
  { state: 'SIGNING_KEY_STATE_PENDING', word: 'Pending', does: 'published, so that every verifier knows it in time', tone: 'flight' },
  { state: 'SIGNING_KEY_STATE_ACTIVE', word: 'Active', does: 'signs', tone: 'ok' },
  { state: 'SIGNING_KEY_STATE_RETIRING', word: 'Retiring', does: 'verifies until its last token has expired', tone: 'warn' },
  { state: 'SIGNING_KEY_STATE_REVOKED', word: 'Revoked', does: 'opens nothing; its private half is gone', tone: 'off' },
]

export const keyPicture = (keys: readonly SigningKey[]): Place[] =>
  PLACES.map((place) => ({ ...place, keys: keys.filter((key) => key.state === place.state) }))

export const placeOf = (key: SigningKey): Omit<Place, 'keys'> =>
  PLACES.find((place) => place.state === key.state) ?? { state: key.state, word: 'Unknown', does: '', tone: 'none' }

/** Enough of a thumbprint to tell two apart. */
export const shortKid = (kid: string): string => `${kid.replace(/^issuer:/, '').slice(0, 10)}…`
