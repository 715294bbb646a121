// What goes on in a realtime app: who listens, how much is said, who was turned away.
import type { Slice } from '@/app/keyset'
import { body, client, type Schemas } from './client'

export type AppActivity = Schemas['RealtimeAppActivity']
export type Channel = Schemas['RealtimeChannel']
export type ChannelDetail = Schemas['RealtimeChannelDetail']
export type ChannelKind = Channel['kind']
export type Coverage = Schemas['InstanceCoverage']
export type Refusal = Schemas['RealtimeRefusal']
export type TraceEvent = Schemas['RealtimeTraceEvent']
export type TraceKind = TraceEvent['kind']
export type Published = Schemas['PublishRealtimeTestEventResponse']

/** What is traced; empty fields filter nothing. */
export interface TraceFilter {
  prefix: string
  event: string
  kinds: TraceKind[]
  withData: boolean
}

const PAGE = 100

export const getActivity = (app_id: string): Promise<AppActivity> => body(client.GET('/api/v1/realtime-apps/{app_id}/activity', { params: { path: { app_id } } }))

export async function listChannels(app_id: string, prefix: string, page_token: string, signal?: AbortSignal): Promise<Slice<Channel>> {
  const answer = await body(client.GET('/api/v1/realtime-apps/{app_id}/channels', { params: { path: { app_id }, query: { prefix, page_size: PAGE, page_token } }, signal }))
  return { rows: answer.channels, nextToken: answer.next_page_token }
}

export const getChannel = (app_id: string, channel: string, page_token = ''): Promise<ChannelDetail> =>
  body(client.GET('/api/v1/realtime-apps/{app_id}/channels/{channel}', { params: { path: { app_id, channel }, query: { page_size: PAGE, page_token } } }))

export const listRefusals = async (app_id: string): Promise<{ refusals: Refusal[]; instances?: Coverage }> => body(client.GET('/api/v1/realtime-apps/{app_id}/refusals', { params: { path: { app_id } } }))

/** Server-sent events, one for each thing that happens. */
export async function openTrace(app_id: string, filter: TraceFilter, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const query = { channel_prefix: filter.prefix, event: filter.event, kinds: filter.kinds, with_data: filter.withData }
  const { data } = await client.GET('/api/v1/realtime-apps/{app_id}/trace', { params: { path: { app_id }, query }, parseAs: 'stream', signal })
  if (!data) throw new Error('an answer without a body')
  return data as ReadableStream<Uint8Array>
}

export const publishTest = (app_id: string, test: { channel: string; event: string; data: string }): Promise<Published> =>
  body(client.POST('/api/v1/realtime-apps/{app_id}/test-events', { params: { path: { app_id } }, body: test }))
