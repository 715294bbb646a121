// What went wrong, as RFC 9457 says it, and as the console shows it.

/** A refused or failed request. `code` is stable and documented; `incident` names it in the logs. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly title: string,
    readonly detail: string,
    readonly incident: string,
    /** JSON pointer to the value at fault; empty when none was named. */
    readonly pointer = '',
    /** Seconds to wait before another try; null when not said. */
    readonly retryAfter: number | null = null,
  ) {
    super(title)
  }

  get offline(): boolean {
    return this.code === 'console.offline'
  }
  /** The person's rights do not reach; every other 403 has a cause of its own. */
  get forbidden(): boolean {
    return this.code === 'auth.forbidden'
  }
  /** Asks for a newer proof of who one is than this session has. */
  get needsProof(): boolean {
    return this.code === 'auth.step_up_required'
  }
  get missing(): boolean {
    return this.status === 404
  }
}

function field(body: unknown, name: string): string {
  if (typeof body !== 'object' || body === null) return ''
  const value = (body as Record<string, unknown>)[name]
  return typeof value === 'string' ? value : ''
}

/** Reads a problem document; an answer that is none still gets a code. */
export function problemFrom(status: number, body: unknown, retryAfter: number | null = null): Problem {
  const code = field(body, 'code') || `http.${status}`
  const title = field(body, 'title') || `The server answered ${status}`
  return new Problem(status, code, title, field(body, 'detail'), field(body, 'instance'), field(body, 'pointer'), retryAfter)
}

/** Anything thrown, as a problem: no answer at all is "offline". */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown
  if (thrown instanceof TypeError) {
    return new Problem(0, 'console.offline', 'The server cannot be reached', 'Check the network, then try again.', '')
  }
  const detail = thrown instanceof Error ? thrown.message : String(thrown)
  return new Problem(0, 'console.unexpected', 'Something in this page failed', detail, '')
}
