import { expect, it } from 'vitest'
import { lines, redirectFault } from '@/features/apps/redirects'

it.each(['https://app.example/done', 'http://127.0.0.1/cb', 'http://127.0.0.1:8123/cb', 'http://[::1]/cb', 'com.example.app:/done'])('%s is good', (uri) => expect(redirectFault([uri])).toBe(''))
it.each(['http://app.example/', 'http://127.0.0.1.evil.example/', 'http://localhost/cb', 'javascript:alert(1)', 'app:/done', 'https://app.example/#x'])('%s is refused', (uri) => expect(redirectFault([uri])).not.toBe(''))
it('counts', () => {
  const many = Array.from({ length: 17 }, (_, n) => `https://app.example/${n}`)
  expect(redirectFault(many.slice(0, 16))).toBe('')
  expect(redirectFault(many)).toBe('At most 16')
  expect(redirectFault([])).toBe('Needed')
  const long = (bytes: number) => `https://app.example/${'é'.repeat((bytes - 20) / 2)}`
  expect(redirectFault([long(512)])).toBe('')
  expect(redirectFault([long(514)])).toContain('Longer')
})
it('reads a line each', () => expect(lines(' a \n\n b')).toEqual(['a', 'b']))
