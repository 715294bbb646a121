import { type ClientChannel, isOfTheService, numberOf, textOf } from './channel.js'

/** Everything up to `offset` was heard; other numbers begin with another epoch. */
export interface Position {
  epoch: string
  offset: number
}

/** What became of what was missed. Not recovered: read anew what the channel is about. */
export interface Recovery {
  channel: string
  recovered: boolean
  replayed: number
  position: Position
}

/** What the app's server is asked to sign: with `channelData` over `socket:channel:channelData`. */
export interface AuthorizeWish {
  socketId: string
  channelName: string
  /** JSON to be signed and returned as `channel_data`; of a presence channel its `recover` goes into the user's data. */
  channelData: string | undefined
}

interface Authorization {
  auth: string
  channel_data?: string
  shared_secret?: string
}

/**
 * Counts where recoverable channels stand, and says so when they are joined again, so that the service
 * sends what was missed.
 *
 * ```ts
 * const positions = new Positions((recovery) => { if (!recovery.recovered) reload(recovery.channel) })
 * const pusher = new Pusher(key, { channelAuthorization: { customHandler: positions.authorizing(askOurServer) } })
 * positions.follow(pusher.subscribe('private-orders.7'))
 * ```
 */
export class Positions {
  readonly #known = new Map<string, Position>()
  readonly #followed = new Map<string, () => void>()
  readonly #onRecovery: (recovery: Recovery) => void

  constructor(onRecovery: (recovery: Recovery) => void = () => {}) {
    this.#onRecovery = onRecovery
  }

  /** Where a channel stands; nothing while it is not recoverable or was never joined. */
  of(channel: string): Position | undefined {
    return this.#known.get(channel)
  }

  /** For pusher-js' `channelAuthorization.customHandler`. It is called for each join, also after a reconnect. */
  authorizing(authorize: (wish: AuthorizeWish) => Promise<Authorization>) {
    return (params: { socketId: string; channelName: string }, callback: (error: Error | null, data: Authorization | null) => void): void => {
      const position = this.#known.get(params.channelName)
      const channelData = position === undefined ? undefined : JSON.stringify({ recover: position })
      authorize({ socketId: params.socketId, channelName: params.channelName, channelData }).then(
        (data) => callback(null, data),
        (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null),
      )
    }
  }

  /** Counts in a channel from now on. Call it where the channel is subscribed, before anything came. */
  follow(channel: ClientChannel): void {
    if (this.#followed.has(channel.name)) return
    const hear = (event: string, data: unknown): void => this.#hear(channel.name, event, data)
    channel.bind_global(hear)
    this.#followed.set(channel.name, () => channel.unbind_global(hear))
  }

  /** The channel is left for good: the next join begins anew. */
  forget(channel: string): void {
    this.#followed.get(channel)?.()
    this.#followed.delete(channel)
    this.#known.delete(channel)
  }

  #hear(channel: string, event: string, data: unknown): void {
    if (event === 'comms:position') {
      this.#place(channel, data)
    } else if (event === 'comms:recovery') {
      const position = this.#place(channel, data)
      const recovered = (data as { recovered?: unknown }).recovered === true
      if (position !== undefined) this.#onRecovery({ channel, recovered, replayed: numberOf(data, 'replayed') ?? 0, position })
    } else if (!isOfTheService(event)) {
      const known = this.#known.get(channel)
      if (known !== undefined) this.#known.set(channel, { epoch: known.epoch, offset: known.offset + 1 })
    }
  }

  #place(channel: string, data: unknown): Position | undefined {
    const epoch = textOf(data, 'epoch')
    const offset = numberOf(data, 'offset')
    if (epoch === undefined || offset === undefined) return undefined
    const position = { epoch, offset }
    this.#known.set(channel, position)
    return position
  }
}
