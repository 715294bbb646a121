export { Positions, type AuthorizeWish, type Position, type Recovery } from './positions.js'
export { Confirmed, type ConfirmedMessage } from './confirmed.js'
export { Outgoing, RefusedError } from './outgoing.js'
export type { ClientChannel } from './channel.js'
