declare module '*/data.mjs' {
  export const PASSWORD: string
  export const TENANT: string
}
declare module '*/organization.mjs' {
  export function exportLines(devices: readonly object[]): string[]
}
declare module '*/gateway.mjs' {
  interface Control {
    break: (prefix: string, status: number, code: string, times?: number, pointer?: string) => void
    presence: (id: string, state: string) => void
    speak: (id: string) => void
    refuse: (id: string) => void
    drop: () => void
    hold: (on: boolean) => void
    exporting: (how: 'whole' | 'broken' | 'changed' | 'held' | 'refused') => void
    releaseExport: () => void
    channels: (how: { leftOut?: number; coverage?: { answered: number; known: number } }) => void
    endTraces: () => void
    providerSays: (what: 'known' | 'stranger' | 'refused') => void
    registration: (how: { open?: boolean; held?: boolean; failing?: boolean }) => void
    moved: (from: string) => void
    holdTenants: (on: boolean) => void
    holdBroker: (on: boolean) => void
    freshTenants: () => void
  }
  interface Gateway {
    url: string
    control: Control
    devices: { device_id: string; name: string; presence: string }[]
    close: () => void
  }
  export function startGateway(options?: { port?: number; deviceCount?: number; readingEvery?: number }): Promise<Gateway>
}
