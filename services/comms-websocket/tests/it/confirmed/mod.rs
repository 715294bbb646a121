//! Confirmed messages: written down before their sender is answered, sent until acknowledged.

mod faults;

use std::collections::HashSet;
use std::time::Duration;

use comms_websocket::Config;
use futures::future::join_all;
use serde_json::{Value, json};
use tonic::transport::Channel;
use tonic::{Code, Request};
use yard_authn::Claims;
use yard_contracts::realtime::v1::realtime_app_service_client::RealtimeAppServiceClient;
use yard_contracts::realtime::v1::realtime_message_service_client::RealtimeMessageServiceClient;
use yard_contracts::realtime::v1::{
    CreateRealtimeAppRequest, GetRealtimeMessageRequest, ListRealtimeMessagesRequest, RealtimeApp,
};
use yard_ids::TenantId;
use yard_runtime::Runtime;
use yard_testkit::{TestDb, eventually};

use crate::api_client::{Server, signed_by};
use crate::apps::connect;
use crate::support::{Client, PATIENCE, Service, metric, signature, tenant};

const ROOM: &str = "presence-room";
const JOINED: &str = "pusher_internal:subscription_succeeded";

/// A service with a database, and a tenant with an app.
struct World {
    service: Service,
    tenant: TenantId,
    app: App,
    db: TestDb,
}

#[derive(Clone)]
struct App {
    id: String,
    key: String,
    secret: String,
}

/// A confirmed message as a socket got it.
#[derive(Debug, Clone, PartialEq)]
struct Got {
    id: String,
    seq: i64,
    event: Value,
}

impl World {
    async fn new() -> Self {
        Self::with(|_config| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let db = TestDb::create().await;
        let tenant = db.tenant(tenant(), "shop").await;
        let postgres = db.config("yard_comms");
        let service = Service::start_with(|config| {
            config.postgres = postgres;
            change(config);
        })
        .await;
        let app = create(&service, tenant).await;
        Self { service, tenant, app, db }
    }

    async fn publish(&self, body: &Value) -> (u16, Value) {
        let path = format!("/apps/{}/events", self.app.id);
        self.call(&self.app, "POST", &path, Some(body)).await
    }

    /// Publishes to users in a channel; the message's id.
    async fn confirm(&self, channel: &str, n: u32, confirm: Value) -> String {
        let data = json!({"n": n}).to_string();
        let body = json!({"name": "order", "channel": channel, "data": data, "confirm": confirm});
        let (status, answer) = self.publish(&body).await;
        assert_eq!(status, 200, "{answer}");
        answer["channels"][channel]["message_id"].as_str().unwrap().to_owned()
    }

    async fn message(&self, id: &str) -> (u16, Value) {
        let path = format!("/apps/{}/messages/{id}", self.app.id);
        self.call(&self.app, "GET", &path, None).await
    }

    /// The state of a message for one recipient.
    async fn state(&self, id: &str, user: &str) -> Value {
        let (status, message) = self.message(id).await;
        assert_eq!(status, 200, "{message}");
        let all = message["recipients"].as_array().unwrap();
        all.iter().find(|one| one["user_id"] == user).map_or(Value::Null, |r| r["state"].clone())
    }

    async fn becomes(&self, id: &str, user: &str, state: &str) {
        let is = || async {
            let (_, message) = self.message(id).await;
            let mut all = message["recipients"].as_array().into_iter().flatten();
            all.any(|one| one["user_id"] == user && one["state"] == state)
        };
        eventually(PATIENCE, is).await;
    }

    async fn call(
        &self,
        app: &App,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        self.call_at(self.service.port(), app, (method, path), body).await
    }

    async fn call_at(
        &self,
        port: u16,
        app: &App,
        (method, path): (&str, &str),
        body: Option<&Value>,
    ) -> (u16, Value) {
        let now = self.service.rt.clock().now().unix_timestamp();
        let body = body.map(Value::to_string);
        let by = (app.key.as_str(), app.secret.as_str());
        let target = signed_by(by, (method, path, ""), now, body.as_deref());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://127.0.0.1:{port}{target}");
        let request = http.request(method.parse().unwrap(), url).body(body.unwrap_or_default());
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn client(&self) -> Client {
        connect(self.service.port(), &self.app.key).await.unwrap()
    }

    /// A socket in a presence channel.
    async fn present(&self, channel: &str, user: &str) -> Client {
        self.present_at(self.service.port(), channel, user).await
    }

    async fn present_at(&self, port: u16, channel: &str, user: &str) -> Client {
        let mut client = connect(port, &self.app.key).await.unwrap();
        let data = json!({"user_id": user}).to_string();
        let text = format!("{}:{channel}:{data}", client.socket_id);
        let (auth, channel_data) = (self.app.sign(&text), data);
        let wish = json!({"channel": channel, "auth": auth, "channel_data": channel_data});
        client.send(&json!({"event": "pusher:subscribe", "data": wish})).await;
        client.expect(JOINED).await;
        client
    }

    async fn sign_in(&self, client: &mut Client, user: &str) {
        let user_data = json!({"id": user}).to_string();
        let auth = self.app.sign(&format!("{}::user::{user_data}", client.socket_id));
        let data = json!({"auth": auth, "user_data": user_data});
        client.send(&json!({"event": "pusher:signin", "data": data})).await;
        client.expect("pusher:signin_success").await;
    }

    async fn join(&self, client: &mut Client, channel: &str) {
        let auth = self.app.sign(&format!("{}:{channel}", client.socket_id));
        client.subscribe(channel, &auth).await;
        client.expect(JOINED).await;
    }

    fn request<T>(&self, tenant: TenantId, message: T) -> Request<T> {
        owner(&self.service, tenant, message)
    }

    fn ledger(&self) -> RealtimeMessageServiceClient<Channel> {
        RealtimeMessageServiceClient::new(calls(&self.service.rt))
    }
}

impl App {
    fn sign(&self, text: &str) -> String {
        format!("{}:{}", self.key, signature(&self.secret, text))
    }
}

fn calls(rt: &Runtime) -> Channel {
    let address = format!("http://{}", rt.address("grpc").unwrap());
    Channel::from_shared(address).unwrap().connect_lazy()
}

fn owner<T>(service: &Service, tenant: TenantId, message: T) -> Request<T> {
    let permissions = vec!["realtime.manage".to_owned()];
    service.request_as(&Claims { permissions, ..service.claims(tenant) }, message)
}

async fn create(service: &Service, tenant: TenantId) -> App {
    let app = RealtimeApp { name: "live orders".to_owned(), ..RealtimeApp::default() };
    let wish = CreateRealtimeAppRequest { realtime_app: Some(app) };
    let mut calls = RealtimeAppServiceClient::new(calls(&service.rt));
    let made = calls.create_realtime_app(owner(service, tenant, wish)).await.unwrap().into_inner();
    let app = made.app.unwrap();
    App { id: app.app_id, key: app.key, secret: made.secret }
}

/// The next confirmed message; who else comes or goes is passed over.
async fn got(client: &mut Client) -> Got {
    let companion = loop {
        let next = client.next().await;
        if !next["event"].as_str().unwrap().starts_with("pusher_internal:member_") {
            break next;
        }
    };
    assert_eq!(companion["event"], "comms:message", "{companion}");
    let told: Value = serde_json::from_str(companion["data"].as_str().unwrap()).unwrap();
    let event = client.next().await;
    assert_eq!(event["channel"], companion["channel"]);
    let (id, seq) = (told["id"].as_str().unwrap().to_owned(), told["seq"].as_i64().unwrap());
    Got { id, seq, event }
}

async fn acknowledge(client: &mut Client, channel: &str, ids: &[&str]) {
    client.trigger(channel, "client-comms-ack", &json!({"ids": ids})).await;
}

#[tokio::test]
async fn message_comes_in_order_to_its_recipients_only_and_only_they_acknowledge_it() {
    let world = World::new().await;
    let mut one = world.present(ROOM, "1").await;
    let mut third = world.present(ROOM, "3").await;
    let mut two = world.present(ROOM, "2").await;
    let mut ids = Vec::new();
    for n in 1..=5 {
        ids.push(world.confirm(ROOM, n, json!({"level": "app", "to": ["1", "2"]})).await);
    }
    for client in [&mut one, &mut two] {
        for (at, id) in ids.iter().enumerate() {
            let got = got(client).await;
            assert_eq!((&got.id, got.seq), (id, at as i64 + 1));
            assert_eq!(got.event["event"], "order");
            assert_eq!(got.event["data"], json!({"n": at + 1}).to_string());
        }
    }
    third.expect("pusher_internal:member_added").await;
    third.quiet().await;
    world.becomes(&ids[0], "1", "sent").await;

    let all: Vec<&str> = ids.iter().map(String::as_str).collect();
    acknowledge(&mut third, ROOM, &all).await;
    acknowledge(&mut one, ROOM, &all).await;
    world.becomes(&ids[4], "1", "acknowledged").await;
    for id in &ids {
        assert_eq!(world.state(id, "1").await, "acknowledged");
        assert_eq!(world.state(id, "2").await, "sent");
        assert_eq!(world.state(id, "3").await, Value::Null);
    }
    metric("yard_ws_confirmed_receipts_total{outcome=\"ignored\"}").await;
    let (_, message) = world.message(&ids[0]).await;
    assert_eq!((&message["seq"], &message["level"]), (&json!(1), &json!("app")));
    assert_eq!((&message["channel"], &message["name"]), (&json!(ROOM), &json!("order")));
    let first = &message["recipients"][0];
    assert_eq!((&first["user_id"], &first["attempts"]), (&json!("1"), &json!(1)));
    assert!(first["sent_at"].is_string() && first["acknowledged_at"].is_string());
}

#[tokio::test]
async fn message_without_names_is_for_whoever_is_in_the_presence_channel_at_that_moment() {
    let world = World::new().await;
    let _one = world.present(ROOM, "1").await;
    let _two = world.present(ROOM, "2").await;
    let id = world.confirm(ROOM, 1, json!({"level": "app"})).await;
    let _late = world.present(ROOM, "3").await;
    let (_, message) = world.message(&id).await;
    let users: Vec<&Value> =
        message["recipients"].as_array().unwrap().iter().map(|one| &one["user_id"]).collect();
    assert_eq!(users, ["1", "2"]);
}

#[tokio::test]
async fn message_for_somebody_who_is_away_comes_at_each_join_until_it_is_acknowledged() {
    let world = World::new().await;
    let id = world.confirm(ROOM, 1, json!({"level": "app", "to": ["1"]})).await;
    assert_eq!(world.state(&id, "1").await, "queued");
    for _ in 0..2 {
        let mut client = world.present(ROOM, "1").await;
        assert_eq!(got(&mut client).await.id, id);
    }
    let mut client = world.present(ROOM, "1").await;
    got(&mut client).await;
    acknowledge(&mut client, ROOM, &[&id]).await;
    world.becomes(&id, "1", "acknowledged").await;
    let mut client = world.present(ROOM, "1").await;
    client.quiet().await;
}

#[tokio::test]
async fn unacknowledged_message_is_sent_again_on_the_same_socket_with_the_same_id() {
    let world = World::with(|config| {
        config.confirmed.resend_first = Duration::from_millis(200);
        config.confirmed.resend_most = Duration::from_millis(200);
    })
    .await;
    let mut client = world.present(ROOM, "1").await;
    let id = world.confirm(ROOM, 1, json!({"level": "app", "to": ["1"]})).await;
    let first = got(&mut client).await;
    assert_eq!(got(&mut client).await, first);
    acknowledge(&mut client, ROOM, &[&id]).await;
    world.becomes(&id, "1", "acknowledged").await;
    let (_, message) = world.message(&id).await;
    assert!(message["recipients"][0]["attempts"].as_i64().unwrap() >= 2);
}

#[tokio::test]
async fn no_more_is_on_its_way_than_the_bound_and_an_acknowledgement_makes_room() {
    let world = World::with(|config| config.confirmed.in_flight = 2).await;
    let mut client = world.present(ROOM, "1").await;
    for n in 1..=5 {
        world.confirm(ROOM, n, json!({"level": "app", "to": ["1"]})).await;
    }
    let first = got(&mut client).await;
    assert_eq!(got(&mut client).await.seq, 2);
    client.quiet().await;
    let mut last = first;
    for seq in 3..=5 {
        acknowledge(&mut client, ROOM, &[&last.id]).await;
        let next = got(&mut client).await;
        assert_eq!(next.seq, seq);
        // The one before it waits; by its own id the next makes room.
        last = next;
    }
}

#[tokio::test]
async fn pong_of_the_clients_stack_acknowledges_at_level_transport() {
    let world = World::new().await;
    let mut client = world.client().await;
    world.join(&mut client, "private-a").await;
    world.sign_in(&mut client, "1").await;
    world.join(&mut client, "#server-to-user-1").await;
    let confirm = json!({"level": "transport", "to": ["1"]});
    let private = world.confirm("private-a", 1, confirm).await;
    assert_eq!(got(&mut client).await.id, private);
    let own = world.confirm("#server-to-user-1", 2, json!({"level": "transport"})).await;
    let app = world.confirm("private-a", 3, json!({"level": "app", "to": ["1"]})).await;
    let second = [got(&mut client).await.id, got(&mut client).await.id];
    assert_eq!(HashSet::from(second), HashSet::from([own.clone(), app.clone()]));
    // The library answers pings while the client reads.
    client.send(&json!({"event": "pusher:ping", "data": {}})).await;
    client.expect("pusher:pong").await;
    world.becomes(&private, "1", "acknowledged").await;
    world.becomes(&own, "1", "acknowledged").await;
    assert_eq!(world.state(&app, "1").await, "sent");
}

#[tokio::test]
async fn pong_that_a_client_makes_up_acknowledges_nothing_of_another_socket() {
    use futures::SinkExt as _;
    use tokio_tungstenite::tungstenite::Message;
    let world = World::new().await;
    // Reads nothing, so that its library answers no ping.
    let _victim = world.present(ROOM, "1").await;
    let mut forger = world.present(ROOM, "2").await;
    let id = world.confirm(ROOM, 1, json!({"level": "transport", "to": ["1"]})).await;
    world.becomes(&id, "1", "sent").await;
    for seat in 0..8 {
        let payload = format!("comms:{seat}:1");
        forger.ws.send(Message::Pong(payload.into())).await.unwrap();
    }
    forger.send(&json!({"event": "pusher:ping", "data": {}})).await;
    forger.expect("pusher:pong").await;
    forger.quiet().await;
    assert_eq!(world.state(&id, "1").await, "sent");
}

#[tokio::test]
async fn message_is_sent_on_as_soon_as_its_recipient_signs_in_and_to_nobody_after_leaving() {
    let world = World::new().await;
    let id = world.confirm("private-a", 1, json!({"level": "app", "to": ["1"]})).await;
    let mut client = world.client().await;
    world.join(&mut client, "private-a").await;
    client.quiet().await;
    world.sign_in(&mut client, "1").await;
    assert_eq!(got(&mut client).await.id, id);
    client.send(&json!({"event": "pusher:unsubscribe", "data": {"channel": "private-a"}})).await;
    client.send(&json!({"event": "pusher:ping", "data": {}})).await;
    client.expect("pusher:pong").await;
    world.confirm("private-a", 2, json!({"level": "app", "to": ["1"]})).await;
    client.quiet().await;
    // Nor does it acknowledge from outside.
    acknowledge(&mut client, "private-a", &[&id]).await;
    client.expect("pusher:error").await;
    assert_eq!(world.state(&id, "1").await, "sent");
}

#[tokio::test]
async fn message_that_nobody_acknowledges_in_time_expires_and_is_sent_no_more() {
    let world = World::with(|config| config.confirmed.look = Duration::from_millis(200)).await;
    let mut client = world.present(ROOM, "1").await;
    let confirm = json!({"level": "app", "ttl": 1, "to": ["1", "2"]});
    let id = world.confirm(ROOM, 1, confirm).await;
    got(&mut client).await;
    world.becomes(&id, "1", "expired").await;
    assert_eq!(world.state(&id, "2").await, "expired");
    acknowledge(&mut client, ROOM, &[&id]).await;
    let mut late = world.present(ROOM, "2").await;
    late.quiet().await;
    assert_eq!(world.state(&id, "1").await, "expired");
}

#[tokio::test]
async fn same_idempotency_key_is_the_same_message_and_leaves_no_hole() {
    let world = World::new().await;
    let body = json!({
        "name": "order", "channel": ROOM, "data": "{}", "idempotency_key": "k1",
        "confirm": {"level": "app", "to": ["1", "2"]},
    });
    let answers = join_all((0..8).map(|_| world.publish(&body))).await;
    let first = &answers[0];
    assert_eq!((first.0, &first.1["channels"][ROOM]["recipients"]), (200, &json!(2)));
    assert!(answers.iter().all(|answer| answer == first), "{answers:?}");
    let next = world.confirm(ROOM, 2, json!({"level": "app", "to": ["1"]})).await;
    let (_, next) = world.message(&next).await;
    assert_eq!(next["seq"], 2);
}

#[tokio::test]
async fn publish_that_cannot_be_confirmed_is_refused_and_nothing_is_said() {
    let world = World::new().await;
    let mut client = world.present(ROOM, "1").await;
    let confirm = json!({"level": "app", "to": ["1"]});
    let of = |change: Value| {
        let mut body =
            json!({"name": "e", "channel": ROOM, "data": "{}", "confirm": confirm.clone()});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    };
    let foreign = format!("private-organization.{}", tenant());
    for (change, status) in [
        (json!({"channels": ["a", "b"], "channel": null}), 400),
        (json!({"confirm": {"level": "app", "ttl": 0, "to": ["1"]}}), 400),
        (json!({"confirm": {"level": "both", "to": ["1"]}}), 400),
        (json!({"confirm": {"level": "app", "to": []}}), 400),
        (json!({"confirm": 7}), 400),
        (json!({"data": "\0"}), 400),
        (json!({"name": "pusher:x"}), 400),
        (json!({"socket_id": "1.2"}), 400),
        (json!({"idempotency_key": "k".repeat(65)}), 400),
        (json!({"data": "x".repeat(10_241)}), 413),
        (json!({"channel": foreign}), 403),
    ] {
        let (got, answer) = world.publish(&of(change.clone())).await;
        assert_eq!(got, status, "{change}: {answer}");
    }
    let batch = json!({"batch": [of(json!({}))]});
    let path = format!("/apps/{}/batch_events", world.app.id);
    assert_eq!(world.call(&world.app, "POST", &path, Some(&batch)).await.0, 400);
    client.quiet().await;
    let rows = world.db.sql("select count(*) from platform.realtime_messages").await;
    assert_eq!(rows.trim(), "0");
    // The platform's own app has no tenant to keep it for.
    let own = Server::of(&world.service).post("/apps/1/events", &of(json!({}))).await;
    assert_eq!(own.0, 400, "{}", own.1);
}

#[tokio::test]
async fn message_of_another_tenants_app_is_not_there() {
    let world = World::new().await;
    let id = world.confirm(ROOM, 1, json!({"level": "app", "to": ["1"]})).await;
    let stranger = world.db.tenant(tenant(), "other").await;
    let other = create(&world.service, stranger).await;
    for app_id in [&other.id, &world.app.id] {
        let path = format!("/apps/{app_id}/messages/{id}");
        let (status, _) = world.call(&other, "GET", &path, None).await;
        assert_eq!(status, if *app_id == other.id { 404 } else { 401 });
    }
    assert_eq!(world.message("x").await.0, 404);

    let wish = |app_id: &str| GetRealtimeMessageRequest {
        app_id: app_id.to_owned(),
        message_id: id.clone(),
    };
    for (reader, app_id) in [(stranger, &world.app.id), (stranger, &other.id)] {
        let asked = world.request(reader, wish(app_id));
        let refused = world.ledger().get_realtime_message(asked).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound);
    }
    let list = ListRealtimeMessagesRequest {
        app_id: world.app.id.clone(),
        ..ListRealtimeMessagesRequest::default()
    };
    let seen = world.ledger().list_realtime_messages(world.request(stranger, list)).await.unwrap();
    assert!(seen.into_inner().messages.is_empty());
}

#[tokio::test]
async fn ledger_is_read_by_pages_newest_first_and_one_with_its_recipients() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let channel = if n == 4 { "private-other" } else { ROOM };
        ids.push(world.confirm(channel, n, json!({"level": "app", "to": ["1", "2"]})).await);
    }
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let (app_id, channel) = (world.app.id.clone(), ROOM.to_owned());
        let wish = ListRealtimeMessagesRequest { app_id, channel, page_size: 2, page_token };
        let page = world.ledger().list_realtime_messages(world.request(world.tenant, wish)).await;
        let page = page.unwrap().into_inner();
        assert!(page.messages.iter().all(|one| one.queued == 2 && one.data.is_empty()));
        seen.extend(page.messages.into_iter().map(|one| one.message_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    ids.pop();
    ids.reverse();
    assert_eq!(seen, ids);
    let message_id = ids[0].clone();
    let wish = GetRealtimeMessageRequest { app_id: world.app.id.clone(), message_id };
    let one = world.ledger().get_realtime_message(world.request(world.tenant, wish)).await;
    let one = one.unwrap().into_inner();
    assert_eq!((one.seq, one.data.as_str(), one.receipts.len()), (4, "{\"n\":3}", 2));
    assert_eq!(one.sender, format!("app:{}", world.app.id));
}
