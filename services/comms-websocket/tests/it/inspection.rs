//! What the people of a tenant see of their app, over two instances.

use std::collections::HashSet;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::json;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use yard_authn::Claims;
use yard_contracts::realtime::v1::realtime_inspection_service_client::RealtimeInspectionServiceClient;
use yard_contracts::realtime::v1::{
    GetRealtimeAppActivityRequest, GetRealtimeChannelRequest, ListRealtimeChannelsRequest,
    ListRealtimeRefusalsRequest, PublishRealtimeTestEventRequest, RealtimeApp, RealtimeAppActivity,
    RealtimeChannel, RealtimeChannelKind, RealtimeDataWithheld, RealtimeTraceEvent,
    RealtimeTraceKind, TraceRealtimeAppRequest,
};
use yard_fault::Code;
use yard_runtime::Runtime;
use yard_testkit::eventually;

use crate::api_client::posted_by;
use crate::apps::{World, connect, fault, join, joins, port, sign};
use crate::support::{Client, PATIENCE, tenant};

/// A whole interval of five seconds, and what else it takes.
const INTERVAL: Duration = Duration::from_secs(20);

/// A tenant's app on two instances.
struct Two {
    world: World,
    other: Runtime,
    app: RealtimeApp,
    secret: String,
}

impl Two {
    async fn new() -> Self {
        let world = Box::pin(World::new()).await;
        let other = Box::pin(world.service.another()).await;
        let (app, secret) = world.app().await;
        let two = Self { world, other, app, secret };
        // Each instance says that it is alive once it has begun.
        let alive = || async { two.activity().await.instances.unwrap().known == 2 };
        eventually(PATIENCE, alive).await;
        two
    }

    fn calls(&self) -> RealtimeInspectionServiceClient<Channel> {
        let address = format!("http://{}", self.world.service.rt.address("grpc").unwrap());
        RealtimeInspectionServiceClient::new(Channel::from_shared(address).unwrap().connect_lazy())
    }

    fn app_id(&self) -> String {
        self.app.app_id.clone()
    }

    async fn here(&self) -> Client {
        connect(self.world.service.port(), &self.app.key).await.unwrap()
    }

    async fn there(&self) -> Client {
        connect(port(&self.other), &self.app.key).await.unwrap()
    }

    async fn join(&self, client: &mut Client, channel: &str) {
        assert!(joins(client, &self.app, &self.secret, channel).await);
    }

    async fn be_in(&self, client: &mut Client, channel: &str, user: &str) {
        let data = json!({"user_id": user, "user_info": {"name": user}}).to_string();
        let text = format!("{}:{channel}:{data}", client.socket_id);
        let auth = sign(&self.app, &self.secret, &text);
        let wish = json!({"channel": channel, "auth": auth, "channel_data": data});
        client.send(&json!({"event": "pusher:subscribe", "data": wish})).await;
        client.expect("pusher_internal:subscription_succeeded").await;
    }

    async fn activity(&self) -> RealtimeAppActivity {
        let wish = GetRealtimeAppActivityRequest { app_id: self.app_id() };
        self.calls().get_realtime_app_activity(self.world.request(wish)).await.unwrap().into_inner()
    }

    async fn page(&self, prefix: &str, size: i32, token: &str) -> (Vec<RealtimeChannel>, String) {
        let wish = ListRealtimeChannelsRequest {
            app_id: self.app_id(),
            prefix: prefix.to_owned(),
            page_size: size,
            page_token: token.to_owned(),
        };
        let answer = self.calls().list_realtime_channels(self.world.request(wish)).await.unwrap();
        let answer = answer.into_inner();
        assert_eq!(answer.instances.unwrap().answered, 2);
        (answer.channels, answer.next_page_token)
    }

    async fn publish(&self, channel: &str, event: &str, data: &str) -> Result<(i32, i32), Status> {
        let wish = PublishRealtimeTestEventRequest {
            app_id: self.app_id(),
            channel: channel.to_owned(),
            event: event.to_owned(),
            data: data.to_owned(),
        };
        let answer = self.calls().publish_realtime_test_event(self.world.request(wish)).await?;
        let answer = answer.into_inner();
        Ok((answer.subscription_count, answer.user_count))
    }

    async fn trace(
        &self,
        wish: TraceRealtimeAppRequest,
    ) -> Result<Streaming<RealtimeTraceEvent>, Status> {
        self.trace_as(self.world.request(TraceRealtimeAppRequest { app_id: self.app_id(), ..wish }))
            .await
    }

    async fn trace_as(
        &self,
        request: Request<TraceRealtimeAppRequest>,
    ) -> Result<Streaming<RealtimeTraceEvent>, Status> {
        Ok(self.calls().trace_realtime_app(request).await?.into_inner())
    }

    async fn client_events(&self) {
        let app = RealtimeApp { client_events: true, ..self.app.clone() };
        self.world.update(app, "client_events").await.unwrap();
    }
}

async fn next(trace: &mut Streaming<RealtimeTraceEvent>) -> RealtimeTraceEvent {
    timeout(PATIENCE, trace.next()).await.expect("an event in time").unwrap().unwrap()
}

fn names(channels: &[RealtimeChannel]) -> Vec<&str> {
    channels.iter().map(|channel| channel.name.as_str()).collect()
}

#[tokio::test]
async fn sockets_and_subscriptions_of_two_instances_are_one_number() {
    let two = Two::new().await;
    let (mut here, mut there) = (two.here().await, two.there().await);
    two.join(&mut here, "private-a").await;
    two.join(&mut there, "private-a").await;
    two.join(&mut there, "private-b").await;
    let settled = || async {
        let activity = two.activity().await;
        let counts = (activity.socket_count, activity.subscription_count, activity.channel_count);
        counts == (2, 3, 2) && activity.instances.unwrap().answered == 2
    };
    eventually(PATIENCE, settled).await;
    drop(there);
    let left = || async {
        let activity = two.activity().await;
        (activity.socket_count, activity.subscription_count, activity.channel_count) == (1, 1, 1)
    };
    eventually(PATIENCE, left).await;
}

#[tokio::test]
async fn rates_are_of_all_instances_and_count_what_all_hear_once() {
    let two = Two::new().await;
    two.client_events().await;
    let (mut here, mut there) = (two.here().await, two.there().await);
    two.join(&mut here, "private-a").await;
    two.join(&mut there, "private-a").await;
    for _ in 0..3 {
        two.publish("private-a", "order.shipped", "1").await.unwrap();
    }
    two.publish("nobody-listens", "order.shipped", "1").await.unwrap();
    there.trigger("private-a", "client-move", &json!({})).await;
    for _ in 0..3 {
        here.expect("order.shipped").await;
    }
    here.expect("client-move").await;
    let counted = || async {
        let activity = two.activity().await;
        let (channels, _) = two.page("", 0, "").await;
        let sum = |counts: &[i32]| counts.iter().sum::<i32>();
        let messages = channels.first().map_or(0, |channel| sum(&channel.messages));
        (sum(&activity.published), sum(&activity.client_events), messages) == (4, 1, 4)
    };
    eventually(INTERVAL, counted).await;
    assert_eq!(two.activity().await.published.len(), 12);
}

#[tokio::test]
async fn channels_are_listed_by_name_in_pages_with_who_is_in_them() {
    let two = Two::new().await;
    let (mut here, mut there) = (two.here().await, two.there().await);
    for channel in ["private-b", "private-a", "public", "private-cache-c"] {
        two.join(&mut here, channel).await;
        if channel == "private-cache-c" {
            here.expect("pusher:cache_miss").await;
        }
    }
    two.join(&mut there, "private-b").await;
    two.be_in(&mut here, "presence-room", "1").await;
    two.be_in(&mut there, "presence-room", "2").await;
    let (all, end) = two.page("", 0, "").await;
    let expected = ["presence-room", "private-a", "private-b", "private-cache-c", "public"];
    assert_eq!((names(&all), end.as_str()), (expected.to_vec(), ""));
    let counts: Vec<_> =
        all.iter().map(|channel| (channel.subscription_count, channel.user_count)).collect();
    assert_eq!(counts, [(2, 2), (1, 0), (2, 0), (1, 0), (1, 0)]);
    assert_eq!(all[0].kind(), RealtimeChannelKind::Presence);
    assert_eq!((all[3].cache, all[4].kind()), (true, RealtimeChannelKind::Public));
    // Pages, also of a prefix.
    let (first, more) = two.page("private-", 2, "").await;
    assert_eq!(names(&first), ["private-a", "private-b"]);
    let (second, end) = two.page("private-", 2, &more).await;
    assert_eq!((names(&second), end.as_str()), (vec!["private-cache-c"], ""));
    assert_eq!(two.page("private-b", 0, "").await.0.len(), 1);
    assert!(two.page("x", 0, "").await.0.is_empty());
}

#[tokio::test]
async fn page_of_channels_is_refused_beyond_its_limits() {
    let two = Two::new().await;
    let ask = |prefix: String, page_size: i32, page_token: &str| {
        let page_token = page_token.to_owned();
        let wish =
            ListRealtimeChannelsRequest { app_id: two.app_id(), prefix, page_size, page_token };
        let (mut calls, request) = (two.calls(), two.world.request(wish));
        async move { calls.list_realtime_channels(request).await.map(drop) }
    };
    assert!(ask("x".repeat(200), 200, "").await.is_ok());
    assert_eq!(fault(ask("x".repeat(201), 0, "").await), Code::RequestInvalid);
    assert_eq!(fault(ask(String::new(), 201, "").await), Code::RequestInvalid);
    assert_eq!(fault(ask(String::new(), -1, "").await), Code::RequestInvalid);
    assert_eq!(fault(ask(String::new(), 0, "zz").await), Code::PageTokenInvalid);
}

#[tokio::test]
async fn members_of_a_presence_channel_are_shown_with_their_sockets() {
    let two = Two::new().await;
    let mut clients = [two.here().await, two.there().await, two.there().await];
    for (client, user) in clients.iter_mut().zip(["1", "2", "1"]) {
        two.be_in(client, "presence-room", user).await;
    }
    let show = |channel: &str, page_size: i32, page_token: String| {
        let channel = channel.to_owned();
        let wish =
            GetRealtimeChannelRequest { app_id: two.app_id(), channel, page_size, page_token };
        let (mut calls, request) = (two.calls(), two.world.request(wish));
        async move { calls.get_realtime_channel(request).await.map(tonic::Response::into_inner) }
    };
    let detail = show("presence-room", 0, String::new()).await.unwrap();
    let members: Vec<_> = detail
        .members
        .iter()
        .map(|member| (&*member.user_id, &*member.user_info, member.socket_count))
        .collect();
    assert_eq!(members, [("1", r#"{"name":"1"}"#, 2), ("2", r#"{"name":"2"}"#, 1)]);
    let channel = detail.channel.unwrap();
    assert_eq!((channel.subscription_count, channel.user_count), (3, 2));
    let first = show("presence-room", 1, String::new()).await.unwrap();
    assert_eq!((first.members.len(), &*first.members[0].user_id), (1, "1"));
    let second = show("presence-room", 1, first.next_page_token).await.unwrap();
    assert_eq!((&*second.members[0].user_id, &*second.next_page_token), ("2", ""));
    // Nobody is in it; and what is no name, or another organisation's.
    let empty = show("presence-other", 0, String::new()).await.unwrap();
    assert_eq!((empty.members.len(), empty.channel.unwrap().subscription_count), (0, 0));
    assert_eq!(fault(show("a b", 0, String::new()).await), Code::ChannelInvalid);
    let foreign = format!("private-organization.{}", tenant());
    assert_eq!(fault(show(&foreign, 0, String::new()).await), Code::ChannelForbidden);
    assert_eq!(fault(show("presence-room", 501, String::new()).await), Code::RequestInvalid);
}

#[tokio::test]
async fn refused_joins_and_sockets_of_both_instances_are_told_newest_first() {
    let two = Two::new().await;
    let (mut here, mut there) = (two.here().await, two.there().await);
    assert_eq!(join(&mut here, &two.app, "wrong", "private-a").await.1, 401);
    assert_eq!(join(&mut there, &two.app, "wrong", "a b").await.1, 400);
    two.world.switch(&two.app, true).await;
    assert_eq!(here.closed().await, 4003);
    let closed = || async { connect(port(&two.other), &two.app.key).await.err() == Some(4003) };
    eventually(PATIENCE, closed).await;
    let wish = ListRealtimeRefusalsRequest { app_id: two.app_id() };
    let told = two.calls().list_realtime_refusals(two.world.request(wish)).await.unwrap();
    let told = told.into_inner();
    assert_eq!(told.instances.unwrap().answered, 2);
    let shown: Vec<_> = told
        .refusals
        .iter()
        .map(|refusal| (&*refusal.reason, &*refusal.channel, refusal.code))
        .collect();
    let ends = [("app_disabled", "", 4003), ("name", "a b", 400), ("signature", "private-a", 401)];
    assert_eq!(shown, ends);
    assert_eq!(told.refusals[2].socket_id, here.socket_id);
    assert!(told.refusals[1].detail.contains("channel name"));
    eventually(INTERVAL, || async { two.activity().await.refused_count == 3 }).await;
}

#[tokio::test]
async fn trace_shows_what_happens_on_any_instance() {
    use RealtimeTraceKind::{ClientEvent, Connection, Event, Member, Refusal, Subscription};
    let two = Two::new().await;
    two.client_events().await;
    let wish = TraceRealtimeAppRequest { with_data: true, ..Default::default() };
    let mut trace = two.trace(wish).await.unwrap();
    let mut there = two.there().await;
    two.join(&mut there, "private-a").await;
    join(&mut there, &two.app, "wrong", "private-b").await;
    there.trigger("private-a", "client-move", &json!({"x": 1})).await;
    two.be_in(&mut there, "presence-room", "7").await;
    two.publish("private-a", "order.shipped", "{\"n\":1}").await.unwrap();
    there.expect("order.shipped").await;
    let wish = json!({"event": "pusher:unsubscribe", "data": {"channel": "private-a"}});
    there.send(&wish).await;
    let socket = there.socket_id.clone();
    let mut seen = Vec::new();
    while seen.len() < 8 {
        let event = next(&mut trace).await;
        assert_eq!(event.left_out, 0);
        assert!(event.at.is_some());
        seen.push(event);
    }
    drop(there);
    seen.push(next(&mut trace).await);
    let has = |kind: RealtimeTraceKind, name: &str, channel: &str| {
        let is = |event: &&RealtimeTraceEvent| {
            event.kind() == kind && event.event == name && event.channel == channel
        };
        let found: Vec<_> = seen.iter().filter(is).collect();
        assert_eq!(found.len(), 1, "{name} {channel}: {seen:?}");
        found[0]
    };
    assert_eq!(has(Connection, "opened", "").socket_id, socket);
    assert_eq!(has(Subscription, "joined", "private-a").socket_id, socket);
    assert!(has(Refusal, "refused", "private-b").data.starts_with("signature: "));
    let sent = has(ClientEvent, "client-move", "private-a");
    assert_eq!((&*sent.data, &*sent.socket_id), ("{\"x\":1}", &*socket));
    assert_eq!(has(Member, "joined", "presence-room").user_id, "7");
    has(Subscription, "joined", "presence-room");
    assert_eq!(has(Event, "order.shipped", "private-a").data, "{\"n\":1}");
    has(Subscription, "left", "private-a");
    let last = seen.last().unwrap();
    // Who is gone leaves the room as well; which is told first is not said.
    assert!(matches!(last.kind(), Connection | Member), "{last:?}");
}

#[tokio::test]
async fn trace_is_filtered_here_and_shows_data_only_to_who_may_read_it() {
    let two = Two::new().await;
    let wish = TraceRealtimeAppRequest {
        channel_prefix: "private-".to_owned(),
        event: "wanted".to_owned(),
        kinds: vec![RealtimeTraceKind::Event.into()],
        with_data: true,
        ..Default::default()
    };
    let mut trace = two.trace(wish.clone()).await.unwrap();
    let claims = Claims {
        permissions: vec!["realtime.manage".to_owned(), "telemetry.read".to_owned()],
        ..two.world.service.claims(two.world.tenant)
    };
    let wish = TraceRealtimeAppRequest { app_id: two.app_id(), ..wish };
    let mut reader = two.trace_as(two.world.service.request_as(&claims, wish)).await.unwrap();
    let devices = format!("private-organization.{}", two.world.tenant);
    two.publish("public", "wanted", "1").await.unwrap();
    two.publish("private-a", "other", "2").await.unwrap();
    two.publish(&devices, "wanted", "3").await.unwrap();
    two.publish("private-a", "wanted", "4").await.unwrap();
    for (trace, data, why) in [
        (&mut trace, "", RealtimeDataWithheld::Permission),
        (&mut reader, "3", RealtimeDataWithheld::Unspecified),
    ] {
        let first = next(trace).await;
        assert_eq!((&*first.channel, &*first.data, first.withheld()), (&*devices, data, why));
        let second = next(trace).await;
        assert_eq!((&*second.channel, &*second.data), ("private-a", "4"));
    }
    let longer = TraceRealtimeAppRequest { event: "x".repeat(201), ..Default::default() };
    assert_eq!(fault(two.trace(longer).await.map(drop)), Code::RequestInvalid);
}

#[tokio::test]
async fn what_is_said_in_an_encrypted_channel_is_never_shown() {
    let two = Two::new().await;
    let wish = TraceRealtimeAppRequest { with_data: true, ..Default::default() };
    let mut trace = two.trace(wish).await.unwrap();
    let body = json!({"name": "e", "channel": "private-encrypted-a", "data": "cipher"}).to_string();
    let path = format!("/apps/{}/events", two.app.app_id);
    assert_eq!(posted_by(&two.world.service, &two.app.key, &two.secret, &path, body).await, 200);
    let event = next(&mut trace).await;
    assert_eq!((&*event.event, &*event.data, event.data_bytes), ("e", "", 6));
    assert_eq!(event.withheld(), RealtimeDataWithheld::Encrypted);
}

#[tokio::test]
async fn fifth_trace_of_an_app_is_refused_until_one_ends() {
    let two = Two::new().await;
    let begin = || two.trace(TraceRealtimeAppRequest::default());
    let mut traces = Vec::new();
    for _ in 0..4 {
        traces.push(begin().await.unwrap());
    }
    assert_eq!(fault(begin().await.map(drop)), Code::RateLimited);
    traces.pop();
    eventually(PATIENCE, || async { begin().await.is_ok() }).await;
}

#[tokio::test]
async fn what_a_trace_cannot_show_is_counted() {
    let two = Two::new().await;
    two.client_events().await;
    let app = RealtimeApp { client_events_per_second: 100, ..two.app.clone() };
    two.world.update(app, "client_events_per_second").await.unwrap();
    let kinds = vec![RealtimeTraceKind::ClientEvent.into()];
    let wish = TraceRealtimeAppRequest { kinds, ..Default::default() };
    let mut trace = two.trace(wish).await.unwrap();
    // Each may send a hundred at once; a trace shows two hundred a second.
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = two.there().await;
        two.join(&mut client, "private-a").await;
        clients.push(client);
    }
    let flood = clients.iter_mut().map(|client| async move {
        for n in 0..100 {
            client.trigger("private-a", "client-move", &json!(n)).await;
        }
    });
    futures::future::join_all(flood).await;
    let (mut shown, mut left_out) = (0, 0);
    while shown + left_out < 600 {
        let event = next(&mut trace).await;
        left_out += event.left_out;
        shown += i32::from(event.kind() == RealtimeTraceKind::ClientEvent);
    }
    assert_eq!(shown + left_out, 600);
    assert!(left_out > 0 && shown >= 200, "{shown} {left_out}");
}

#[tokio::test]
async fn trace_ends_with_its_app() {
    let two = Two::new().await;
    let mut trace = two.trace(TraceRealtimeAppRequest::default()).await.unwrap();
    two.world.delete(&two.app.app_id).await.unwrap();
    let end = timeout(INTERVAL, trace.next()).await.expect("the end in time").unwrap();
    assert_eq!(fault(end), Code::ResourceNotFound);
}

#[tokio::test]
async fn test_event_arrives_and_says_how_many_it_was_for() {
    let two = Two::new().await;
    let (mut here, mut there) = (two.here().await, two.there().await);
    two.be_in(&mut here, "presence-room", "1").await;
    two.be_in(&mut there, "presence-room", "2").await;
    here.expect("pusher_internal:member_added").await;
    assert_eq!(two.publish("presence-room", "hello", "{\"n\":1}").await.unwrap(), (2, 2));
    assert_eq!(here.data("hello").await, json!({"n": 1}));
    assert_eq!(there.data("hello").await, json!({"n": 1}));
    assert_eq!(two.publish("nobody", "hello", "").await.unwrap(), (0, 0));
}

#[tokio::test]
async fn test_event_is_held_to_what_the_app_s_server_is_held_to() {
    let two = Two::new().await;
    let largest = "x".repeat(10_240);
    assert!(two.publish("a", "e", &largest).await.is_ok());
    let refused = |channel: &str, event: &str, data: String| {
        let (channel, event, two) = (channel.to_owned(), event.to_owned(), &two);
        async move { fault(two.publish(&channel, &event, &data).await) }
    };
    assert_eq!(refused("a", "e", format!("{largest}x")).await, Code::RequestTooLarge);
    assert_eq!(refused("a", "", String::new()).await, Code::RequestInvalid);
    assert_eq!(refused("a", &"x".repeat(201), String::new()).await, Code::RequestInvalid);
    assert_eq!(refused("a", "pusher:error", String::new()).await, Code::RequestInvalid);
    assert_eq!(refused("a b", "e", String::new()).await, Code::RequestInvalid);
    assert_eq!(refused("private-encrypted-a", "e", String::new()).await, Code::RequestInvalid);
    let foreign = format!("private-organization.{}", tenant());
    assert_eq!(refused(&foreign, "e", String::new()).await, Code::ChannelForbidden);
    two.world.switch(&two.app, true).await;
    let off = || async { two.publish("a", "e", "").await.is_err() };
    eventually(PATIENCE, off).await;
    assert_eq!(refused("a", "e", String::new()).await, Code::RequestInvalid);
}

#[tokio::test]
async fn another_tenant_and_an_app_that_is_none_are_not_found_by_any_call() {
    let two = Two::new().await;
    let mut here = two.here().await;
    two.join(&mut here, "private-a").await;
    let (stranger, mut calls) = (tenant(), two.calls());
    let own = two.world.tenant;
    // The platform's own app is nobody's either.
    for (app_id, caller) in [(two.app_id(), stranger), ("1".to_owned(), own), ("x".to_owned(), own)]
    {
        let world = &two.world;
        let id = || app_id.clone();
        let mut codes = HashSet::new();
        let wish = GetRealtimeAppActivityRequest { app_id: id() };
        let answer = calls.get_realtime_app_activity(world.request_in(caller, wish)).await;
        codes.insert(fault(answer));
        let wish = ListRealtimeChannelsRequest { app_id: id(), ..Default::default() };
        codes.insert(fault(calls.list_realtime_channels(world.request_in(caller, wish)).await));
        let channel = "private-a".to_owned();
        let wish = GetRealtimeChannelRequest { app_id: id(), channel, ..Default::default() };
        codes.insert(fault(calls.get_realtime_channel(world.request_in(caller, wish)).await));
        let wish = ListRealtimeRefusalsRequest { app_id: id() };
        codes.insert(fault(calls.list_realtime_refusals(world.request_in(caller, wish)).await));
        let wish = TraceRealtimeAppRequest { app_id: id(), ..Default::default() };
        codes.insert(fault(calls.trace_realtime_app(world.request_in(caller, wish)).await));
        let (channel, event) = ("private-a".to_owned(), "e".to_owned());
        let wish =
            PublishRealtimeTestEventRequest { app_id: id(), channel, event, data: String::new() };
        let answer = calls.publish_realtime_test_event(world.request_in(caller, wish)).await;
        codes.insert(fault(answer));
        assert_eq!(codes, HashSet::from([Code::ResourceNotFound]), "{app_id}");
    }
    here.quiet().await;
}

#[tokio::test]
async fn killed_instance_is_missing_from_the_answer_which_says_so() {
    let two = Two::new().await;
    assert!(two.other.stop(Duration::ZERO, PATIENCE).await);
    // One that leaves of its own will is known to have left.
    let left = || async {
        let instances = two.activity().await.instances.unwrap();
        (instances.answered, instances.known) == (1, 1)
    };
    eventually(PATIENCE, left).await;
}
