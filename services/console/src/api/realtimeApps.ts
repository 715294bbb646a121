// Apps of the Pusher protocol that the organisation's own servers and clients use.
import { body, client, type Schemas } from './client'

export type RealtimeApp = Schemas['RealtimeApp']

/** A server that is told of what happens in an app. */
export interface RealtimeWebhook {
  url: string
  /** None means all. */
  kinds: string[]
  channel_prefix: string
  disabled: boolean
}

/** What may be said of an app. */
export interface RealtimeAppDraft {
  name: string
  disabled: boolean
  client_events: boolean
  client_events_per_second: number
  allowed_origins: string[]
  max_connections: number
  max_members: number
  max_event_bytes: number
  subscription_count: boolean
  recoverable_prefixes: string[]
  history_events: number
  history_seconds: number
  webhooks: RealtimeWebhook[]
}

/** An app with a secret that is shown this once. */
export interface WithSecret {
  app: RealtimeApp
  secret: string
}

const withSecret = ({ app, secret }: { app?: RealtimeApp; secret: string }): WithSecret => {
  if (!app) throw new Error('The answer names no app')
  return { app, secret }
}

const byApp = (app_id: string) => ({ params: { path: { app_id } } })

export const listRealtimeApps = async (): Promise<RealtimeApp[]> => (await body(client.GET('/api/v1/realtime-apps'))).apps

export const createRealtimeApp = async (draft: Pick<RealtimeAppDraft, 'name'>): Promise<WithSecret> => withSecret(await body(client.POST('/api/v1/realtime-apps', { body: draft })))

/** Only what `change` has is changed. */
export const updateRealtimeApp = (app_id: string, change: Partial<RealtimeAppDraft>): Promise<RealtimeApp> =>
  body(client.PATCH('/api/v1/realtime-apps/{app_id}', { params: { path: { app_id }, query: { update_mask: Object.keys(change).join(',') } }, body: change }))

export const deleteRealtimeApp = (app_id: string): Promise<unknown> => body(client.DELETE('/api/v1/realtime-apps/{app_id}', byApp(app_id)))

export const addRealtimeAppSecret = async (app_id: string): Promise<WithSecret> => withSecret(await body(client.POST('/api/v1/realtime-apps/{app_id}/secrets', { ...byApp(app_id), body: {} })))

export const endRealtimeAppSecret = (app_id: string, secret_id: string): Promise<RealtimeApp> =>
  body(client.DELETE('/api/v1/realtime-apps/{app_id}/secrets/{secret_id}', { params: { path: { app_id, secret_id } } }))
