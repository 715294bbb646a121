// The state of the live connection, as the strip says it.

export type LinkState = 'off' | 'connecting' | 'live' | 'reconnecting' | 'stale' | 'offline'

export interface LinkFacts {
  /** pusher-js's own word for its connection. */
  connection: string
  /** It was connected before, since the page was opened. */
  everConnected: boolean
  /** The browser says there is a network. */
  online: boolean
  /** Milliseconds since anything was heard. */
  silentFor: number
  /** Milliseconds after which the server promised to be heard. */
  heartbeat: number
}

/** Two promised heartbeats without a word make a connection that claims to be up stale. */
export function linkState(facts: LinkFacts): LinkState {
  if (!facts.online) return 'offline'
  if (facts.connection === 'connected') return facts.silentFor > 2 * facts.heartbeat ? 'stale' : 'live'
  if (facts.connection === 'connecting' || facts.connection === 'initialized') {
    return facts.everConnected ? 'reconnecting' : 'connecting'
  }
  return facts.connection === 'off' ? 'off' : 'offline'
}
