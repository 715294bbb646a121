import { type ClientChannel, isOfTheService, textOf } from './channel.js'

/** A message whose sender learns that it was handled. */
export interface ConfirmedMessage {
  id: string
  event: string
  data: unknown
}

/** Ids that are remembered, so that a message that is sent again is handled once. */
const REMEMBERED = 1_000

/**
 * Hears the confirmed messages of a channel: each is handled once, in order, and acknowledged when the
 * handler has returned. One that fails is not acknowledged, and comes again.
 *
 * ```ts
 * new Confirmed(pusher.subscribe('presence-shift.7'), async (message) => { await store(message) })
 * ```
 */
export class Confirmed {
  readonly #channel: ClientChannel
  readonly #handle: (message: ConfirmedMessage) => void | Promise<void>
  readonly #handled = new Set<string>()
  #announced: string | undefined
  #last: Promise<void> = Promise.resolve()

  constructor(channel: ClientChannel, handle: (message: ConfirmedMessage) => void | Promise<void>) {
    this.#channel = channel
    this.#handle = handle
    channel.bind_global(this.#hear)
  }

  /** Nothing is heard any more. What is being handled is still acknowledged. */
  close(): void {
    this.#channel.unbind_global(this.#hear)
  }

  readonly #hear = (event: string, data: unknown): void => {
    if (event === 'comms:message') {
      this.#announced = textOf(data, 'id')
      return
    }
    const id = this.#announced
    if (id === undefined || isOfTheService(event)) return
    // The event right behind its announcement is the message.
    this.#announced = undefined
    this.#last = this.#last.then(() => this.#take({ id, event, data }))
  }

  async #take(message: ConfirmedMessage): Promise<void> {
    if (!this.#handled.has(message.id)) {
      try {
        await this.#handle(message)
      } catch {
        return
      }
      this.#remember(message.id)
    }
    this.#channel.trigger('client-comms-ack', { ids: [message.id] })
  }

  #remember(id: string): void {
    this.#handled.add(id)
    if (this.#handled.size > REMEMBERED) {
      const [oldest] = this.#handled
      if (oldest !== undefined) this.#handled.delete(oldest)
    }
  }
}
