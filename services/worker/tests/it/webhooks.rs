//! Tenants' webhooks against a receiver of the test's own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use worker::WebhooksConfig;
use yard_contracts::{streams, subjects};
use yard_fault::Code;
use yard_ids::TenantId;
use yard_testkit::eventually;

use crate::support::{PATIENCE, World, id};

/// What a receiver was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Heard {
    path: String,
    headers: Vec<Option<String>>,
    body: String,
}

type Log = Arc<Mutex<Vec<Heard>>>;

/// `/refuse-once` takes the second call of each body, `/refuse` none, `/hang` never answers, `/away`
/// points elsewhere, anything else takes all.
struct Receiver {
    url: String,
    log: Log,
    server: JoinHandle<()>,
}

async fn hear(State(log): State<Log>, uri: Uri, headers: HeaderMap, body: String) -> Response {
    let header = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    let names = ["content-type", "x-pusher-key", "x-pusher-signature"];
    let heard = Heard { path: uri.path().to_owned(), headers: names.map(header).to_vec(), body };
    let first = {
        let mut log = log.lock().unwrap();
        log.push(heard.clone());
        log.iter().filter(|one| **one == heard).count() == 1
    };
    match uri.path() {
        "/refuse" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "/refuse-once" if first => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "/hang" => std::future::pending().await,
        "/away" => (StatusCode::FOUND, [("location", "/elsewhere")]).into_response(),
        _ => StatusCode::OK.into_response(),
    }
}

impl Receiver {
    #[expect(clippy::disallowed_methods, reason = "ends with the test")]
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log = Log::default();
        let router = Router::new().fallback(hear).with_state(Arc::clone(&log));
        let server = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Self { url, log, server }
    }

    fn heard(&self) -> Vec<Heard> {
        self.log.lock().unwrap().clone()
    }

    fn bodies(&self, path: &str) -> Vec<String> {
        let heard = self.heard().into_iter();
        heard.filter(|one| one.path == path).map(|one| one.body).collect()
    }

    async fn hears(&self, path: &str, count: usize) {
        eventually(PATIENCE, || async { self.bodies(path).len() >= count }).await;
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn tenant() -> TenantId {
    TenantId::from_uuid(id())
}

async fn done(world: &World) {
    let name = streams::WEBHOOKS.name;
    eventually(PATIENCE, || async { world.in_stream(name).await == 0 }).await;
}

async fn dead_letter(world: &World) -> String {
    let subject = subjects::dead_letter(streams::WEBHOOKS.name, "webhooks");
    eventually(PATIENCE, || async {
        let stream = world.jetstream().get_stream(streams::DLQ.name).await.ok()?;
        let message = stream.direct_get_last_for_subject(subject.as_str()).await.ok()?;
        Some(message.headers.get("Yard-Reason-Code")?.as_str().to_owned())
    })
    .await
}

#[tokio::test]
async fn call_is_posted_as_it_was_signed_and_again_when_it_was_refused() {
    let world = World::new().await;
    let (service, receiver) = (world.start().await, Receiver::start().await);
    world.call(tenant(), &receiver.at("/refuse-once"), "{\"ä\": 1}").await;
    receiver.hears("/refuse-once", 2).await;
    done(&world).await;
    let heard = receiver.heard();
    let headers = ["application/json", "the key", "the signature"];
    let expected: Vec<Option<String>> = headers.map(|text| Some(text.to_owned())).to_vec();
    assert_eq!(heard.len(), 2);
    assert!(heard.iter().all(|one| one.headers == expected && one.body == "{\"ä\": 1}"));
    service.stop().await;
}

#[tokio::test]
async fn receiver_that_hangs_holds_up_nobody_else_and_calls_to_one_address_keep_their_order() {
    let world = World::new().await;
    let (service, receiver) = (world.start().await, Receiver::start().await);
    let (slow, other) = (tenant(), tenant());
    for n in 0..50 {
        world.call(slow, &receiver.at("/hang"), &n.to_string()).await;
    }
    receiver.hears("/hang", 1).await;
    let numbers: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    for number in &numbers {
        world.call(other, &receiver.at("/fine"), number).await;
    }
    receiver.hears("/fine", numbers.len()).await;
    assert_eq!(receiver.bodies("/fine"), numbers);
    assert_eq!(receiver.bodies("/hang").len(), 1, "one at a time");
    drop(receiver);
    drop(service);
}

#[tokio::test]
async fn call_that_nobody_takes_goes_to_the_dead_letters() {
    let world = World::new().await;
    world.log.expect("could not handle a message").expect("moved to the dead letters");
    let mut config = world.config();
    config.webhooks.give_up_after = Duration::from_secs(1);
    let (service, receiver) = (world.start_with(config).await, Receiver::start().await);
    world.call(tenant(), &receiver.at("/refuse"), "x").await;
    assert_eq!(dead_letter(&world).await, Code::WebhookUndelivered.as_str());
    done(&world).await;
    assert_eq!(receiver.bodies("/refuse").len(), 2);
    service.stop().await;
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let world = World::new().await;
    let (service, receiver) = (world.start().await, Receiver::start().await);
    world.call(tenant(), &receiver.at("/away"), "x").await;
    receiver.hears("/away", 2).await;
    assert_eq!(receiver.bodies("/elsewhere").len(), 0);
    service.stop().await;
}

#[tokio::test]
async fn inner_address_is_not_called_unless_the_operator_allows_it() {
    let world = World::new().await;
    world.log.expect("moved to the dead letters");
    let mut config = world.config();
    config.webhooks = WebhooksConfig { plain_http: true, ..WebhooksConfig::default() };
    let (service, receiver) = (world.start_with(config).await, Receiver::start().await);
    world.call(tenant(), &receiver.at("/fine"), "x").await;
    assert_eq!(dead_letter(&world).await, Code::RequestInvalid.as_str());
    assert_eq!(receiver.heard().len(), 0);
    service.stop().await;
}

#[tokio::test]
async fn call_of_a_killed_worker_is_made_again_as_it_was() {
    let world = World::new().await;
    let (victim, receiver) = (world.start_victim().await, Receiver::start().await);
    world.call(tenant(), &receiver.at("/hang"), "the same events").await;
    receiver.hears("/hang", 1).await;
    victim.kill();
    let service = world.start().await;
    receiver.hears("/hang", 2).await;
    let heard = receiver.heard();
    assert_eq!(heard[0], heard[1]);
    drop(receiver);
    drop(service);
}
