use std::sync::Arc;
use std::time::Instant;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use tonic::{Request, Response, Status, async_trait};
use yard_authn::{Call, Caller, RpcResult as _};
use yard_contracts::realtime::v1 as wire;
use yard_contracts::realtime::v1::realtime_inspection_service_server::RealtimeInspectionService;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_pg::page;
use yard_runtime::Runtime;

use super::activity::REMEMBERED;
use super::answer::MOST_ASKED;
use super::filter::Filter;
use super::gather::{Gathered, Gatherer, count};
use super::pulse::rate;
use super::seen::Sight;
use super::trace::{Events, Tracer, Wish};
use super::wishes;
use crate::api::{Api, TestEvent};
use crate::app::{App, Apps};
use crate::channel::{ChannelKey, ChannelName, Kind};
use crate::presence::{Member, Occupancy, Rosters};

/// Channels of which it is asked at the same time who is in them.
const AT_ONCE: usize = 64;
const USUAL_CHANNELS: u16 = 50;
const USUAL_MEMBERS: u16 = 100;
const MOST_MEMBERS: u16 = 500;

/// Serves `RealtimeInspectionService`.
pub(crate) struct Inspection {
    apps: Apps,
    rosters: Rosters,
    gatherer: Gatherer,
    tracer: Tracer,
    api: Arc<Api>,
    rt: Runtime,
}

/// Where what is shown comes from.
pub(crate) struct Sources {
    pub(crate) apps: Apps,
    pub(crate) rosters: Rosters,
    pub(crate) gatherer: Gatherer,
    pub(crate) api: Arc<Api>,
}

impl Inspection {
    pub(crate) fn new(sources: Sources, nats: yard_messaging::Nats, rt: &Runtime) -> Self {
        let Sources { apps, rosters, gatherer, api } = sources;
        let tracer = Tracer::new(nats, gatherer.clone(), rt);
        Self { apps, rosters, gatherer, tracer, api, rt: rt.clone() }
    }
}

#[async_trait]
impl RealtimeInspectionService for Inspection {
    async fn get_realtime_app_activity(
        &self,
        request: Request<wire::GetRealtimeAppActivityRequest>,
    ) -> Result<Response<wire::RealtimeAppActivity>, Status> {
        let call = Call::of(&request);
        let id = request.into_inner().app_id;
        self.activity(&call.caller, id).await.rpc(&call, "show an app's activity")
    }

    async fn list_realtime_channels(
        &self,
        request: Request<wire::ListRealtimeChannelsRequest>,
    ) -> Result<Response<wire::ListRealtimeChannelsResponse>, Status> {
        let call = Call::of(&request);
        self.channels(&call.caller, request.get_ref()).await.rpc(&call, "list an app's channels")
    }

    async fn get_realtime_channel(
        &self,
        request: Request<wire::GetRealtimeChannelRequest>,
    ) -> Result<Response<wire::RealtimeChannelDetail>, Status> {
        let call = Call::of(&request);
        self.channel(&call.caller, request.get_ref()).await.rpc(&call, "show a channel")
    }

    async fn list_realtime_refusals(
        &self,
        request: Request<wire::ListRealtimeRefusalsRequest>,
    ) -> Result<Response<wire::ListRealtimeRefusalsResponse>, Status> {
        let call = Call::of(&request);
        let id = &request.get_ref().app_id;
        self.refusals(&call.caller, id).await.rpc(&call, "list an app's refusals")
    }

    type TraceRealtimeAppStream = Events;

    async fn trace_realtime_app(
        &self,
        request: Request<wire::TraceRealtimeAppRequest>,
    ) -> Result<Response<Self::TraceRealtimeAppStream>, Status> {
        let call = Call::of(&request);
        self.trace(&call, request.get_ref()).await.rpc(&call, "trace an app")
    }

    async fn publish_realtime_test_event(
        &self,
        request: Request<wire::PublishRealtimeTestEventRequest>,
    ) -> Result<Response<wire::PublishRealtimeTestEventResponse>, Status> {
        let call = Call::of(&request);
        self.publish(&call.caller, request.into_inner()).await.rpc(&call, "publish a test event")
    }
}

impl Inspection {
    async fn activity(
        &self,
        caller: &Caller,
        app_id: String,
    ) -> Result<wire::RealtimeAppActivity, Fault> {
        let app = wishes::app(&self.apps, caller, &app_id).await?;
        let query = wire::InspectionQuery { app: app.id().number(), ..Default::default() };
        let channels = async { self.rosters.count(app.id()).await.map_err(store_away) };
        let (all, channels) = tokio::try_join!(self.gatherer.ask(&query), channels)?;
        let published = all.add_up(|report| &report.published);
        let client_events = all.add_up(|report| &report.client_events);
        Ok(wire::RealtimeAppActivity {
            app_id,
            socket_count: all.sum(|report| report.sockets),
            subscription_count: all.sum(|report| report.subscriptions),
            channel_count: count(channels),
            published_per_second: rate(&published),
            published,
            client_events_per_second: rate(&client_events),
            client_events,
            refused_count: all.sum(|report| report.refused),
            instances: Some(all.coverage),
        })
    }

    async fn channels(
        &self,
        caller: &Caller,
        request: &wire::ListRealtimeChannelsRequest,
    ) -> Result<wire::ListRealtimeChannelsResponse, Fault> {
        let most = u16::try_from(MOST_ASKED).unwrap_or(u16::MAX);
        let size = page::size(request.page_size, USUAL_CHANNELS, most)?;
        let prefix = wishes::prefix(&request.prefix, "/prefix")?;
        let after = page::parts::<1>(&request.page_token)?.map(|[name]| name);
        let app = wishes::app(&self.apps, caller, &request.app_id).await?;
        // One more than are shown: whether there is another page.
        let names = self.rosters.occupied(app.id(), prefix, after.as_deref(), size + 1);
        let mut names = names.await.map_err(store_away)?;
        let size = usize::try_from(size).unwrap_or(0);
        let more = names.len() > size;
        names.truncate(size);
        let next_page_token = match names.last() {
            Some(last) if more => page::token(&[last.as_str()]),
            Some(_) | None => String::new(),
        };
        let (channels, instances) = self.shown(&app, names).await?;
        Ok(wire::ListRealtimeChannelsResponse { channels, next_page_token, instances })
    }

    /// Channels as they stand, and how many instances their rates are of.
    async fn shown(
        &self,
        app: &App,
        names: Vec<ChannelName>,
    ) -> Result<(Vec<wire::RealtimeChannel>, Option<wire::InstanceCoverage>), Fault> {
        let channels = names.iter().map(ToString::to_string).collect();
        let query =
            wire::InspectionQuery { app: app.id().number(), channels, ..Default::default() };
        let key = |name: &ChannelName| ChannelKey { app: app.id(), name: name.clone() };
        let keys: Vec<ChannelKey> = names.iter().map(key).collect();
        let reads = stream::iter(keys)
            .map(|key| async move { self.rosters.read(&key, false).await.map_err(store_away) })
            .buffered(AT_ONCE)
            .try_collect::<Vec<Occupancy>>();
        let (all, stand) = tokio::try_join!(self.gatherer.ask(&query), reads)?;
        let both = names.iter().zip(&stand).enumerate();
        let shown = both.map(|(index, (name, stand))| channel(name, stand, &all, index)).collect();
        Ok((shown, Some(all.coverage)))
    }

    async fn channel(
        &self,
        caller: &Caller,
        request: &wire::GetRealtimeChannelRequest,
    ) -> Result<wire::RealtimeChannelDetail, Fault> {
        let size = page::size(request.page_size, USUAL_MEMBERS, MOST_MEMBERS)?;
        let after = page::parts::<1>(&request.page_token)?.map(|[user]| user);
        let name = ChannelName::parse(&request.channel)
            .map_err(|error| Fault::new(Code::ChannelInvalid).with_source(error))?;
        let app = wishes::app(&self.apps, caller, &request.app_id).await?;
        if app.topic(&name).is_err() {
            return Err(Code::ChannelForbidden.into());
        }
        let key = ChannelKey { app: app.id(), name };
        let (members, next_page_token) = self.members(&key, after.as_deref(), size).await?;
        let kept = self.rosters.read(&key, false).await.map_err(store_away)?.kept;
        let (mut channels, instances) = self.shown(&app, vec![key.name]).await?;
        let holds_event = kept.is_some();
        Ok(wire::RealtimeChannelDetail {
            channel: channels.pop(),
            holds_event,
            members,
            next_page_token,
            instances,
        })
    }

    /// A page of who is in a presence channel. All of them are read: there are as many as the app's
    /// settings allow, a thousand at most.
    async fn members(
        &self,
        key: &ChannelKey,
        after: Option<&str>,
        size: i64,
    ) -> Result<(Vec<wire::RealtimeMember>, String), Fault> {
        if key.name.kind() != Kind::Presence {
            return Ok((Vec::new(), String::new()));
        }
        let mut all = self.rosters.members(key).await.map_err(store_away)?;
        all.sort_unstable_by(|one, other| one.user.cmp(&other.user));
        let mut rest = all.into_iter().filter(|member| after.is_none_or(|id| &*member.user > id));
        let size = usize::try_from(size).unwrap_or(0);
        let page: Vec<Member> = rest.by_ref().take(size).collect();
        let token = match (page.last(), rest.next()) {
            (Some(last), Some(_)) => page::token(&[&last.user]),
            _ => String::new(),
        };
        let shown = |member: Member| wire::RealtimeMember {
            user_id: member.user,
            user_info: member.info,
            socket_count: count(member.sockets),
        };
        Ok((page.into_iter().map(shown).collect(), token))
    }

    async fn refusals(
        &self,
        caller: &Caller,
        app_id: &str,
    ) -> Result<wire::ListRealtimeRefusalsResponse, Fault> {
        let app = wishes::app(&self.apps, caller, app_id).await?;
        let query =
            wire::InspectionQuery { app: app.id().number(), refusals: true, ..Default::default() };
        let Gathered { reports, coverage, .. } = self.gatherer.ask(&query).await?;
        let mut refusals: Vec<wire::RealtimeRefusal> =
            reports.into_iter().flat_map(|report| report.refusals).collect();
        let moment =
            |refusal: &wire::RealtimeRefusal| refusal.at.as_ref().map(|at| (at.seconds, at.nanos));
        refusals.sort_by_key(|refusal| std::cmp::Reverse(moment(refusal)));
        refusals.truncate(REMEMBERED);
        Ok(wire::ListRealtimeRefusalsResponse { refusals, instances: Some(coverage) })
    }

    async fn trace(
        &self,
        call: &Call,
        request: &wire::TraceRealtimeAppRequest,
    ) -> Result<Events, Fault> {
        let filter = Filter::read(request)?;
        let app = wishes::app(&self.apps, &call.caller, &request.app_id).await?;
        let sight = Sight { data: request.with_data, devices: call.caller.has("telemetry.read") };
        let incident = call.incident.clone();
        self.tracer.begin(Wish { app, filter, sight, incident }).await
    }

    async fn publish(
        &self,
        caller: &Caller,
        request: wire::PublishRealtimeTestEventRequest,
    ) -> Result<wire::PublishRealtimeTestEventResponse, Fault> {
        let wire::PublishRealtimeTestEventRequest { app_id, channel, event, data } = request;
        let app = wishes::app(&self.apps, caller, &app_id).await?;
        let began = Instant::now();
        let stand = self.api.publish_test(&app, TestEvent { channel, event, data }).await?;
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(wire::PublishRealtimeTestEventResponse {
            published_at: Some(timestamp(self.rt.clock().now())),
            subscription_count: count(stand.listeners),
            user_count: count(stand.people),
            took_ms: count(took),
        })
    }
}

fn channel(
    name: &ChannelName,
    stand: &Occupancy,
    all: &Gathered,
    index: usize,
) -> wire::RealtimeChannel {
    let messages = all.of_channel(index);
    let kind = match name.kind() {
        Kind::Public => wire::RealtimeChannelKind::Public,
        Kind::Private => wire::RealtimeChannelKind::Private,
        Kind::Presence => wire::RealtimeChannelKind::Presence,
        Kind::Encrypted => wire::RealtimeChannelKind::Encrypted,
        Kind::ToUser => wire::RealtimeChannelKind::User,
    };
    wire::RealtimeChannel {
        name: name.to_string(),
        kind: kind.into(),
        cache: name.is_cache(),
        subscription_count: count(stand.listeners),
        user_count: count(stand.people),
        messages_per_second: rate(&messages),
        messages,
    }
}

fn store_away(error: fred::error::Error) -> Fault {
    Fault::new(Code::ServiceUnavailable).with_source(error)
}
