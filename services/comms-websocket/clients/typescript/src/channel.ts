/** What is used of a channel of pusher-js. */
export interface ClientChannel {
  readonly name: string
  bind_global(callback: (event: string, data: unknown) => void): unknown
  unbind_global(callback: (event: string, data: unknown) => void): unknown
  trigger(event: string, data: unknown): boolean
}

/** Events of the protocol and of the service; all others are somebody's. */
export const isOfTheService = (event: string): boolean => ['pusher:', 'pusher_internal:', 'comms:'].some((start) => event.startsWith(start))

export const textOf = (data: unknown, field: string): string | undefined => {
  const value = typeof data === 'object' && data !== null ? (data as Record<string, unknown>)[field] : undefined
  return typeof value === 'string' ? value : undefined
}

export const numberOf = (data: unknown, field: string): number | undefined => {
  const value = typeof data === 'object' && data !== null ? (data as Record<string, unknown>)[field] : undefined
  return typeof value === 'number' ? value : undefined
}
