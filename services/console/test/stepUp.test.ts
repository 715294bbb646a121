import { afterEach, expect, test, vi } from 'vitest'
import { client, onProofAsked, onSignedOut } from '@/api/client'
import { asking, stepUp } from '@/app/stepUp'

const problem = (status: number, code: string) => new Response(JSON.stringify({ code }), { status })
const fine = () => new Response('{}', { status: 200 })
const make = () => client.POST('/api/v1/me/api-tokens', { body: { name: 'robot' } as never })

afterEach(() => vi.unstubAllGlobals())

test('a call that wants a newer proof is sent again, whole, once it was given', async () => {
  const bodies: string[] = []
  const answers = [problem(403, 'auth.step_up_required'), fine()]
  vi.stubGlobal('fetch', async (request: Request) => {
    bodies.push(await request.text())
    return answers.shift()
  })
  onProofAsked(async () => true)
  await make()
  expect(bodies).toEqual(['{"name":"robot"}', '{"name":"robot"}'])
})

test('without a proof, and for any other refusal, nothing is sent again', async () => {
  const asked = vi.fn(async () => false)
  onProofAsked(asked)
  const send = vi.fn(async () => problem(403, 'auth.step_up_required'))
  vi.stubGlobal('fetch', send)
  await expect(make()).rejects.toMatchObject({ code: 'auth.step_up_required' })
  vi.stubGlobal('fetch', async () => problem(403, 'auth.forbidden'))
  await expect(make()).rejects.toMatchObject({ code: 'auth.forbidden' })
  expect([send.mock.calls.length, asked.mock.calls.length]).toEqual([1, 1])
})

test('a wrong proof signs nobody out, an ended session does', async () => {
  const out = vi.fn()
  onSignedOut(out)
  const answered = async (code: string) => {
    vi.stubGlobal('fetch', async () => problem(401, code))
    await expect(make()).rejects.toMatchObject({ code })
    return out.mock.calls.length
  }
  for (const code of ['auth.invalid_credentials', 'auth.factor_invalid', 'auth.challenge_expired']) expect(await answered(code)).toBe(0)
  const ended = ['auth.required', 'auth.session_expired', 'auth.token_invalid', 'auth.token_revoked', 'http.401']
  for (const [at, code] of ended.entries()) expect(await answered(code)).toBe(at + 1)
})

test('calls that wait together are asked one proof', async () => {
  const both = Promise.all([stepUp(), stepUp()])
  asking.value?.(true)
  expect(await both).toEqual([true, true])
  expect(asking.value).toBeNull()
  const next = stepUp()
  asking.value?.(false)
  expect(await next).toBe(false)
})
