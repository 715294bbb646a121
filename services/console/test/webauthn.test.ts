import { expect, test } from 'vitest'
import { base64url, bytes } from '@/app/webauthn'

test('bytes go to base64url without padding and back, whatever they are', () => {
  for (let length = 0; length < 70; length += 1) {
    const all = Uint8Array.from({ length }, (_, at) => (at * 37 + length * 11) % 256)
    const text = base64url(all.buffer)
    expect(text).toMatch(/^[A-Za-z0-9_-]*$/)
    expect(bytes(text)).toEqual(all)
  }
  expect(base64url(Uint8Array.of(251, 255, 254).buffer)).toBe('-__-')
  expect(base64url(null)).toBe('')
})
