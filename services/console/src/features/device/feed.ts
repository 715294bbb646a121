// What the device's channel brings, handed from the page (which owns the subscription) to its tabs.
import { onScopeDispose } from 'vue'
import type { CommandChange, TelemetryEvent } from '@/live/events'

export interface Signal<T> {
  emit: (value: T) => void
  /** Listens for the life of the calling component. */
  listen: (handler: (value: T) => void) => void
}

function signal<T>(): Signal<T> {
  const handlers = new Set<(value: T) => void>()
  return {
    emit: (value) => handlers.forEach((handler) => handler(value)),
    listen: (handler) => {
      handlers.add(handler)
      onScopeDispose(() => handlers.delete(handler))
    },
  }
}

export interface DeviceFeed {
  telemetry: Signal<TelemetryEvent[]>
  commands: Signal<CommandChange>
  /** The channel is joined; true when it was before, so that events in between are missing. */
  joined: Signal<boolean>
}

export const makeDeviceFeed = (): DeviceFeed => ({
  telemetry: signal<TelemetryEvent[]>(),
  commands: signal<CommandChange>(),
  joined: signal<boolean>(),
})
