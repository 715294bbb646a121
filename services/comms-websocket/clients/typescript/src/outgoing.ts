import { type ClientChannel, numberOf, textOf } from './channel.js'
import type { Position } from './positions.js'

/** The service does not keep the event, and says why; sending it again does not help unless the reason has gone. */
export class RefusedError extends Error {}

interface Waiting {
  event: string
  data: Record<string, unknown>
  done: (position: Position) => void
  failed: (error: Error) => void
}

/**
 * Sends client events of a recoverable channel until the service says what became of them. An event that
 * waits is sent again when the channel is joined again; it counts once, within ten minutes.
 *
 * ```ts
 * const outgoing = new Outgoing(channel)
 * const position = await outgoing.say('client-order', { item: 7 })
 * ```
 */
export class Outgoing {
  readonly #channel: ClientChannel
  readonly #newId: () => string
  readonly #waiting = new Map<string, Waiting>()

  constructor(channel: ClientChannel, newId: () => string = () => globalThis.crypto.randomUUID()) {
    this.#channel = channel
    this.#newId = newId
    channel.bind_global(this.#hear)
  }

  /** Where the event stands, when it is kept. `data` goes out with its id as `_cid`. */
  say(event: string, data: Record<string, unknown>): Promise<Position> {
    const id = this.#newId()
    return new Promise((done, failed) => {
      const waiting: Waiting = { event, data: { ...data, _cid: id }, done, failed }
      this.#waiting.set(id, waiting)
      this.#channel.trigger(waiting.event, waiting.data)
    })
  }

  /** How many events wait for their answer. */
  get pending(): number {
    return this.#waiting.size
  }

  /** Gives up what waits. */
  close(): void {
    this.#channel.unbind_global(this.#hear)
    for (const { failed } of this.#waiting.values()) failed(new Error('closed'))
    this.#waiting.clear()
  }

  readonly #hear = (event: string, data: unknown): void => {
    if (event === 'pusher:subscription_succeeded') {
      for (const { event: again, data: sent } of this.#waiting.values()) this.#channel.trigger(again, sent)
      return
    }
    const id = event === 'comms:accepted' || event === 'comms:refused' ? textOf(data, '_cid') : undefined
    const waiting = id === undefined ? undefined : this.#waiting.get(id)
    if (id === undefined || waiting === undefined) return
    this.#waiting.delete(id)
    const epoch = textOf(data, 'epoch')
    const offset = numberOf(data, 'offset')
    if (epoch !== undefined && offset !== undefined) waiting.done({ epoch, offset })
    else waiting.failed(new RefusedError(textOf(data, 'reason') ?? 'refused'))
  }
}
