import createClient, { type Middleware } from 'openapi-fetch'
import { problemFrom, type Problem } from './problem'
import type { components, operations, paths } from './schema'

/** The messages of the gateway's document, as it sends them. */
export type Schemas = components['schemas']

/** What an operation takes in its query. */
export type QueryOf<K extends keyof operations> = operations[K] extends { parameters: { query?: infer Q } } ? NonNullable<Q> : never

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

/** A wrong proof is answered 401 too; only these say that there is no session (any more). */
const ENDED = new Set(['auth.required', 'auth.session_expired', 'auth.token_invalid', 'auth.token_revoked', 'http.401'])

let whenSignedOut: () => void = () => {}
let whenProofAsked: () => Promise<boolean> = async () => false
let whenAnswered: (problem: Problem | null) => void = () => {}

/** Called once an answer said that the session is gone. */
export function onSignedOut(handler: () => void): void {
  whenSignedOut = handler
}

/** Asks the person for a new proof of who they are; whether they gave one. */
export function onProofAsked(handler: () => Promise<boolean>): void {
  whenProofAsked = handler
}

/** Called with every answer: the problem, or null for a good one. */
export function onAnswer(handler: (problem: Problem | null) => void): void {
  whenAnswered = handler
}

async function problemIn(response: Response): Promise<Problem> {
  const body: unknown = await response.clone().json().catch(() => null)
  return problemFrom(response.status, body, Number(response.headers.get('Retry-After')) || null)
}

const house: Middleware = {
  onRequest({ request }) {
    // A form on another site cannot set a header, so its presence proves our own page sent this.
    if (!SAFE.has(request.method)) request.headers.set('X-Yard-Csrf', '1')
    return request
  },
  async onResponse({ response }) {
    if (response.ok) {
      whenAnswered(null)
      return undefined
    }
    const problem = await problemIn(response)
    whenAnswered(problem)
    if (response.status === 401 && ENDED.has(problem.code)) whenSignedOut()
    throw problem
  },
}

/** Sends a call, and once more when it wanted a newer proof and got one. */
async function send(request: Request): Promise<Response> {
  // Read out, not cloned: a clone's body is a stream, which a browser sends in pieces.
  const text = SAFE.has(request.method) ? '' : await request.text()
  // `fetch` is looked up at call time, so that tests may replace it.
  const once = () => globalThis.fetch(new Request(request, text ? { body: text } : {}))
  const response = await once()
  if (response.status !== 403 || !(await problemIn(response)).needsProof) return response
  return (await whenProofAsked()) ? once() : response
}

export const client = createClient<paths>({ baseUrl: '/', fetch: send })
client.use(house)

/** The body of a good answer; the middleware has thrown on any other. */
export async function body<T>(answer: Promise<{ data?: T }>): Promise<T> {
  const { data } = await answer
  return (data ?? {}) as T
}

/**
 * A random UUID: a key under which a repeated send is the same send. Made by hand because
 * `randomUUID` is missing on plain http addresses other than localhost.
 */
export function idempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
