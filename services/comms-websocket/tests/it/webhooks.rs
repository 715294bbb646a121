//! What webhooks are told: read off the stream that the worker calls from.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use prost::Message as _;
use serde_json::{Value, json};
use yard_contracts::realtime::v1::{RealtimeApp, RealtimeWebhook, WebhookDelivery};
use yard_contracts::streams;
use yard_fault::Code;
use yard_testkit::eventually;

use crate::apps::{World, connect, fault, port, sign};
use crate::support::{Client, signature};

const HOOK: &str = "https://hooks.example/pusher";
const ROOM: &str = "presence-room";
/// Holding back, leases of the killed and a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// An app with webhooks, its secret, and what is told of it.
struct Hooked {
    world: World,
    app: RealtimeApp,
    secret: String,
}

fn hook(url: &str, kinds: &[&str], prefix: &str) -> RealtimeWebhook {
    RealtimeWebhook {
        url: url.to_owned(),
        kinds: kinds.iter().map(|&kind| kind.to_owned()).collect(),
        channel_prefix: prefix.to_owned(),
        disabled: false,
    }
}

impl Hooked {
    async fn new(webhooks: Vec<RealtimeWebhook>) -> Self {
        let world = Box::pin(World::new()).await;
        let (app, secret) = world.app().await;
        let app = RealtimeApp { webhooks, client_events: true, ..app };
        world.update(app.clone(), "client_events").await.unwrap();
        let app = world.update(app, "webhooks").await.unwrap();
        Self { world, app, secret }
    }

    async fn connect(&self, port: u16) -> Client {
        connect(port, &self.app.key).await.unwrap()
    }

    async fn join(&self, client: &mut Client, channel: &str, user: Option<&str>) {
        let data = user.map(|user| json!({"user_id": user}).to_string());
        let text = match &data {
            None => format!("{}:{channel}", client.socket_id),
            Some(data) => format!("{}:{channel}:{data}", client.socket_id),
        };
        let auth = sign(&self.app, &self.secret, &text);
        let wish = json!({"channel": channel, "auth": auth, "channel_data": data});
        client.send(&json!({"event": "pusher:subscribe", "data": wish})).await;
        loop {
            let next = client.next().await;
            // Others come and go meanwhile.
            if next["event"] == "pusher_internal:subscription_succeeded" {
                return;
            }
            assert_ne!(next["event"], "pusher:subscription_error", "{next}");
        }
    }

    /// Somebody alone in a channel of their own, through one instance.
    async fn joined(&self, port: u16, channel: &str) -> Client {
        let mut client = self.connect(port).await;
        self.join(&mut client, channel, None).await;
        client
    }

    /// All events told to an address, in their order. The stream keeps them: no worker is here.
    async fn told(&self, url: &str) -> Vec<Value> {
        let context = async_nats::jetstream::new(self.world.service.nats.client().await);
        let stream = context.get_stream(streams::WEBHOOKS.name).await.unwrap();
        let mut events = Vec::new();
        for sequence in 1..=stream.cached_info().state.last_sequence {
            let message = stream.get_raw_message(sequence).await.unwrap();
            let call = WebhookDelivery::decode(message.payload).unwrap();
            let text = std::str::from_utf8(&call.body).unwrap();
            assert_eq!(call.signature, signature(&self.secret, text));
            assert_eq!((&call.key, &call.app_id), (&self.app.key, &self.app.app_id));
            let mut body: Value = serde_json::from_str(text).unwrap();
            assert!(body["time_ms"].as_i64().unwrap() > 1_700_000_000_000);
            if call.url == url {
                events.append(body["events"].as_array_mut().unwrap());
            }
        }
        events
    }

    /// As soon as this was told, all that is told.
    async fn until(&self, name: &str, channel: &str) -> Vec<Value> {
        eventually(PATIENCE, || async {
            let told = self.told(HOOK).await;
            let is = |event: &Value| event["name"] == name && event["channel"] == channel;
            told.iter().any(is).then_some(told)
        })
        .await
    }
}

/// How often each was told, of one channel.
fn counts(told: &[Value], channel: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in told.iter().filter(|event| event["channel"] == channel) {
        let user = event["user_id"].as_str().unwrap_or_default();
        let name = format!("{} {user}", event["name"].as_str().unwrap());
        *counts.entry(name).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn hundred_members_who_leave_two_instances_at_once_are_told_of_once_each() {
    let hooked = Hooked::new(vec![hook(HOOK, &[], "")]).await;
    let second = hooked.world.service.another().await;
    let ports = [hooked.world.service.port(), port(&second)];
    let members = join_all((0..100).map(|n| {
        let hooked = &hooked;
        async move {
            let mut client = hooked.connect(ports[n % 2]).await;
            hooked.join(&mut client, ROOM, Some(&n.to_string())).await;
            client
        }
    }));
    let members = members.await;
    eventually(PATIENCE, || async { counts(&hooked.told(HOOK).await, ROOM).len() == 101 }).await;
    drop(members);
    eventually(PATIENCE, || async { counts(&hooked.told(HOOK).await, ROOM).len() == 202 }).await;
    // A second telling would come before this.
    let other = hooked.joined(ports[0], "private-other").await;
    hooked.until("channel_occupied", "private-other").await;
    drop(other);
    let told = hooked.until("channel_vacated", "private-other").await;
    let counts = counts(&told, ROOM);
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    assert_eq!(counts.len(), 202, "{counts:?}");
    let ids: std::collections::HashSet<&str> =
        told.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), told.len());
    assert_eq!(told[0]["name"], "channel_occupied");
}

#[tokio::test]
async fn who_is_back_in_time_has_not_left() {
    let hooked = Hooked::new(vec![hook(HOOK, &[], "")]).await;
    let second = hooked.world.service.another().await;
    let ports = [hooked.world.service.port(), port(&second)];
    let mut first = hooked.connect(ports[0]).await;
    hooked.join(&mut first, ROOM, Some("1")).await;
    hooked.until("member_added", ROOM).await;
    drop(first);
    let other = hooked.joined(ports[0], "private-other").await;
    hooked.until("channel_occupied", "private-other").await;
    let mut back = hooked.connect(ports[1]).await;
    hooked.join(&mut back, ROOM, Some("1")).await;
    // It leaves after the other and is told of after it.
    drop(other);
    let told = hooked.until("channel_vacated", "private-other").await;
    let names: Vec<String> = counts(&told, ROOM).into_keys().collect();
    assert_eq!(names, ["channel_occupied ", "member_added 1"]);
    drop(back);
    let told = hooked.until("channel_vacated", ROOM).await;
    let counts = counts(&told, ROOM);
    assert_eq!((counts.len(), counts["member_removed 1"]), (4, 1));
}

#[tokio::test]
async fn killed_instances_channels_are_told_vacated_once() {
    let hooked = Hooked::new(vec![hook(HOOK, &[], "")]).await;
    let (mut child, port) =
        hooked.world.service.another_process_on(&hooked.world.db.url("yard_comms")).await;
    let mut members = Vec::new();
    for user in ["1", "2", "3"] {
        let mut client = hooked.connect(port).await;
        hooked.join(&mut client, ROOM, Some(user)).await;
        members.push(client);
    }
    eventually(PATIENCE, || async { counts(&hooked.told(HOOK).await, ROOM).len() == 4 }).await;
    child.kill().await.unwrap();
    hooked.until("channel_vacated", ROOM).await;
    let other = hooked.joined(hooked.world.service.port(), "private-other").await;
    hooked.until("channel_occupied", "private-other").await;
    drop(other);
    let told = hooked.until("channel_vacated", "private-other").await;
    let counts = counts(&told, ROOM);
    assert!(counts.len() == 8 && counts.values().all(|count| *count == 1), "{counts:?}");
}

#[tokio::test]
async fn each_address_is_told_of_its_kinds_and_channels_alone() {
    let (prefixed, spoken) = ("https://hooks.example/orders", "https://hooks.example/spoken");
    let hooked = Hooked::new(vec![
        hook(HOOK, &["cache_miss", "subscription_count"], ""),
        hook(prefixed, &[], "private-orders"),
        hook(spoken, &["client_event"], ""),
    ])
    .await;
    let here = hooked.world.service.port();
    let orders = hooked.joined(here, "private-orders-1").await;
    let mut cache = hooked.joined(here, "private-cache-x").await;
    assert_eq!(cache.next().await["event"], "pusher:cache_miss");
    let _again = hooked.joined(here, "private-cache-x").await;
    let mut room = hooked.connect(here).await;
    hooked.join(&mut room, ROOM, Some("7")).await;
    room.trigger(ROOM, "client-typing", &json!({"on": true})).await;
    let one = |told: Vec<Value>, name: &str| -> Option<Value> {
        told.into_iter().find(|event| event["name"] == name)
    };
    let said =
        eventually(PATIENCE, || async { one(hooked.told(spoken).await, "client_event") }).await;
    assert_eq!(
        (&said["event"], &said["data"], &said["user_id"], &said["socket_id"]),
        (&json!("client-typing"), &json!("{\"on\":true}"), &json!("7"), &json!(room.socket_id))
    );
    eventually(PATIENCE, || async {
        let told = hooked.told(HOOK).await;
        told.iter().any(|event| event["subscription_count"] == 2)
    })
    .await;
    let told = hooked.told(HOOK).await;
    let missed: Vec<_> = told.iter().filter(|event| event["name"] == "cache_miss").collect();
    assert_eq!((missed.len(), &missed[0]["channel"]), (1, &json!("private-cache-x")));
    drop(orders);
    let told = eventually(PATIENCE, || async {
        let told = hooked.told(prefixed).await;
        told.iter().any(|event| event["name"] == "channel_vacated").then_some(told)
    })
    .await;
    assert!(told.iter().all(|event| event["channel"] == "private-orders-1"), "{told:?}");
    assert_eq!(hooked.told(spoken).await.len(), 1);
}

#[tokio::test]
async fn webhooks_are_kept_as_set_refused_where_wrong_and_told_nothing_when_disabled() {
    let disabled = RealtimeWebhook { disabled: true, ..hook(HOOK, &[], "") };
    let hooked = Hooked::new(vec![disabled, hook("https://hooks.example/b", &[], "x")]).await;
    let urls: Vec<&str> = hooked.app.webhooks.iter().map(|hook| hook.url.as_str()).collect();
    assert_eq!(urls, [HOOK, "https://hooks.example/b"]);
    let renamed =
        RealtimeApp { name: "renamed".to_owned(), webhooks: Vec::new(), ..hooked.app.clone() };
    let after = hooked.world.update(renamed.clone(), "name").await.unwrap();
    assert_eq!(after.webhooks, hooked.app.webhooks, "only what is named changes");
    for url in ["http://hooks.example/", "https://10.0.0.1/", "hooks.example"] {
        let wrong = RealtimeApp { webhooks: vec![hook(url, &[], "")], ..hooked.app.clone() };
        assert_eq!(fault(hooked.world.update(wrong, "webhooks").await), Code::RequestInvalid);
    }
    // Every kind was wanted of all channels but by nobody who is told: nothing is owed.
    let room = hooked.joined(hooked.world.service.port(), "private-a").await;
    let b = "https://hooks.example/b";
    let _x = hooked.joined(hooked.world.service.port(), "x-channel").await;
    eventually(PATIENCE, || async { !hooked.told(b).await.is_empty() }).await;
    drop(room);
    assert!(hooked.told(HOOK).await.is_empty());
    assert!(hooked.told(b).await.iter().all(|event| event["channel"] == "x-channel"));
    let after = hooked.world.update(renamed, "webhooks").await.unwrap();
    assert!(after.webhooks.is_empty());
}
