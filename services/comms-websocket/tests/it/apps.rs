//! Tenants' own apps: made and changed by call, and used by sockets.

use std::time::Duration;

use futures::future::join_all;
use prost::Message as _;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Request, Status};
use yard_authn::Claims;
use yard_contracts::realtime::v1::realtime_app_service_client::RealtimeAppServiceClient;
use yard_contracts::realtime::v1::{
    AddRealtimeAppSecretRequest, CreateRealtimeAppRequest, CreateRealtimeAppResponse,
    DeleteRealtimeAppRequest, EndRealtimeAppSecretRequest, GetRealtimeAppRequest,
    ListRealtimeAppsRequest, RealtimeApp, RealtimeControl, UpdateRealtimeAppRequest,
};
use yard_contracts::subjects;
use yard_fault::{Code, Fault};
use yard_ids::TenantId;
use yard_runtime::Runtime;
use yard_testkit::{TestDb, eventually};

use crate::support::{Client, Service, close_code, device, device_channel, signature, tenant};

/// A change is everywhere within this, which is not by the look after 30 seconds: it is told.
const SOON: Duration = Duration::from_secs(10);
const JOINED: &str = "pusher_internal:subscription_succeeded";

/// A service with a database and a tenant in it.
pub(crate) struct World {
    pub(crate) service: Service,
    pub(crate) tenant: TenantId,
    pub(crate) db: TestDb,
}

impl World {
    pub(crate) async fn new() -> Self {
        let db = TestDb::create().await;
        let tenant = db.tenant(tenant(), "shop").await;
        let postgres = db.config("yard_comms");
        let service = Service::start_with(|config| {
            config.postgres = postgres;
            config.apps.max_per_tenant = 3;
        })
        .await;
        Self { service, tenant, db }
    }

    fn calls(&self) -> RealtimeAppServiceClient<Channel> {
        let address = format!("http://{}", self.service.rt.address("grpc").unwrap());
        RealtimeAppServiceClient::new(Channel::from_shared(address).unwrap().connect_lazy())
    }

    /// A request of an owner.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        self.request_in(self.tenant, message)
    }

    pub(crate) fn request_in<T>(&self, tenant: TenantId, message: T) -> Request<T> {
        let permissions = vec!["realtime.manage".to_owned()];
        let claims = Claims { permissions, ..self.service.claims(tenant) };
        self.service.request_as(&claims, message)
    }

    async fn create(&self, name: &str) -> Result<CreateRealtimeAppResponse, Status> {
        let app = RealtimeApp { name: name.to_owned(), ..RealtimeApp::default() };
        let wish = CreateRealtimeAppRequest { realtime_app: Some(app) };
        Ok(self.calls().create_realtime_app(self.request(wish)).await?.into_inner())
    }

    /// An app and its secret.
    pub(crate) async fn app(&self) -> (RealtimeApp, String) {
        let made = self.create("live orders").await.unwrap();
        (made.app.unwrap(), made.secret)
    }

    pub(crate) async fn update(
        &self,
        realtime_app: RealtimeApp,
        path: &str,
    ) -> Result<RealtimeApp, Status> {
        let update_mask = Some(prost_types::FieldMask { paths: vec![path.to_owned()] });
        let wish = UpdateRealtimeAppRequest { realtime_app: Some(realtime_app), update_mask };
        Ok(self.calls().update_realtime_app(self.request(wish)).await?.into_inner())
    }

    pub(crate) async fn switch(&self, app: &RealtimeApp, disabled: bool) {
        let after = self.update(RealtimeApp { disabled, ..app.clone() }, "disabled").await;
        assert_eq!(after.unwrap().disabled, disabled);
    }

    async fn add_secret(&self, app: &RealtimeApp) -> Result<(RealtimeApp, String), Status> {
        let wish = AddRealtimeAppSecretRequest { app_id: app.app_id.clone() };
        let made = self.calls().add_realtime_app_secret(self.request(wish)).await?.into_inner();
        Ok((made.app.unwrap(), made.secret))
    }

    async fn end_secret(&self, app: &RealtimeApp, at: usize) -> Result<RealtimeApp, Status> {
        let wish = EndRealtimeAppSecretRequest {
            app_id: app.app_id.clone(),
            secret_id: app.secrets[at].secret_id.clone(),
        };
        Ok(self.calls().end_realtime_app_secret(self.request(wish)).await?.into_inner())
    }

    pub(crate) async fn delete(&self, app_id: &str) -> Result<(), Status> {
        let wish = DeleteRealtimeAppRequest { app_id: app_id.to_owned() };
        self.calls().delete_realtime_app(self.request(wish)).await.map(drop)
    }
}

pub(crate) fn port(rt: &Runtime) -> u16 {
    rt.address("socket").unwrap().port()
}

/// A socket of an app, or the code that it was closed with.
pub(crate) async fn connect(port: u16, key: &str) -> Result<Client, u16> {
    let url = format!("ws://127.0.0.1:{port}/app/{key}?protocol=7&client=test&version=1");
    let (ws, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let mut client = Client { ws, socket_id: String::new() };
    let first = client.next().await;
    if first["event"] == "pusher:error" {
        return Err(close_code(&mut client.ws).await.unwrap());
    }
    let data: Value = serde_json::from_str(first["data"].as_str().unwrap()).unwrap();
    client.socket_id = data["socket_id"].as_str().unwrap().to_owned();
    Ok(client)
}

/// `key:signature` of a text, as the tenant's server makes it.
pub(crate) fn sign(app: &RealtimeApp, secret: &str, text: &str) -> String {
    format!("{}:{}", app.key, signature(secret, text))
}

/// Joins with a secret's signature; the answer's event, and its status if it is a refusal.
pub(crate) async fn join(
    client: &mut Client,
    app: &RealtimeApp,
    secret: &str,
    channel: &str,
) -> (String, Value) {
    let auth = sign(app, secret, &format!("{}:{channel}", client.socket_id));
    client.subscribe(channel, &auth).await;
    let answer = client.next().await;
    (answer["event"].as_str().unwrap().to_owned(), answer["data"]["status"].clone())
}

pub(crate) async fn joins(
    client: &mut Client,
    app: &RealtimeApp,
    secret: &str,
    channel: &str,
) -> bool {
    join(client, app, secret, channel).await.0 == JOINED
}

async fn code(client: &mut Client) -> u16 {
    timeout(SOON, client.closed()).await.expect("closed soon")
}

pub(crate) fn fault<T>(answer: Result<T, Status>) -> Code {
    let status = answer.err().expect("a refusal");
    Fault::from_status(&status).code()
}

#[tokio::test]
async fn tenants_app_takes_a_join_that_its_secret_signed_and_no_other() {
    let world = World::new().await;
    let (app, secret) = world.app().await;
    assert_eq!((app.app_id.len(), app.key.len(), secret.len()), (10, 20, 64));
    let mut client = connect(world.service.port(), &app.key).await.unwrap();
    assert!(joins(&mut client, &app, &secret, "private-orders").await);
    let (_, status) = join(&mut client, &app, "another secret", "private-stock").await;
    assert_eq!(status, 401);
    // The platform's own app signs for its own sockets only.
    let own = crate::support::sign(&format!("{}:private-stock", client.socket_id));
    client.subscribe("private-stock", &own).await;
    let refusal = client.expect("pusher:subscription_error").await;
    assert_eq!(refusal["data"]["status"], 401);
    // Two apps have channels of the same name and hear nothing of each other.
    let mut own = Client::connect(&world.service).await;
    own.join("private-orders", None).await;
    own.expect(JOINED).await;
    own.quiet().await;
}

#[tokio::test]
async fn channel_that_speaks_of_another_organisation_is_refused_with_403() {
    let world = World::new().await;
    let (app, secret) = world.app().await;
    let mut client = connect(world.service.port(), &app.key).await.unwrap();
    let own = device_channel(world.tenant, device());
    let foreign = device_channel(tenant(), device());
    let (event, status) = join(&mut client, &app, &secret, &foreign).await;
    assert_eq!((event.as_str(), status), ("pusher:subscription_error", json!(403)));
    assert!(joins(&mut client, &app, &secret, &own).await);
}

#[tokio::test]
async fn while_secrets_rotate_both_sign_and_then_only_the_new_one() {
    let world = World::new().await;
    let (app, old) = world.app().await;
    let mut client = connect(world.service.port(), &app.key).await.unwrap();
    assert!(joins(&mut client, &app, &old, "private-0").await);
    assert_eq!(fault(world.end_secret(&app, 0).await), Code::RequestInvalid, "the last one");
    let (app, new) = world.add_secret(&app).await.unwrap();
    assert_eq!(app.secrets.len(), 2);
    assert_eq!(fault(world.add_secret(&app).await), Code::LimitReached);
    // It is told of at once, and read by another task.
    let client = Mutex::new(client);
    let taken = |secret: &String, channel: &'static str| {
        let (client, app, secret) = (&client, app.clone(), secret.clone());
        async move { joins(&mut *client.lock().await, &app, &secret, channel).await }
    };
    eventually(SOON, || taken(&new, "private-1")).await;
    assert!(taken(&old, "private-2").await);
    // Newest first: the older one is ended.
    let app = world.end_secret(&app, 1).await.unwrap();
    assert_eq!(app.secrets.len(), 1);
    eventually(SOON, || async { !taken(&old, "private-3").await }).await;
    assert!(taken(&new, "private-4").await);
    // Its place is free again, and another one's secret is not there to be ended.
    let (both, _third) = world.add_secret(&app).await.unwrap();
    let other = world.create("other").await.unwrap().app.unwrap();
    let wish = EndRealtimeAppSecretRequest {
        app_id: other.app_id,
        secret_id: both.secrets[0].secret_id.clone(),
    };
    let refused = world.calls().end_realtime_app_secret(world.request(wish)).await;
    assert_eq!(fault(refused), Code::ResourceNotFound);
}

#[tokio::test]
async fn disabled_app_closes_its_sockets_on_every_instance_with_4003_until_it_is_enabled() {
    let world = World::new().await;
    let other = world.service.another().await;
    let (app, _secret) = world.app().await;
    let (here, there) = (world.service.port(), port(&other));
    let mut near = connect(here, &app.key).await.unwrap();
    let mut far = connect(there, &app.key).await.unwrap();
    let mut bystander = Client::connect(&world.service).await;
    world.switch(&app, true).await;
    assert_eq!((code(&mut near).await, code(&mut far).await), (4003, 4003));
    assert_eq!(connect(here, &app.key).await.err(), Some(4003));
    assert_eq!(connect(there, &app.key).await.err(), Some(4003));
    bystander.quiet().await;
    world.switch(&app, false).await;
    eventually(SOON, || async { connect(there, &app.key).await.is_ok() }).await;
    assert!(other.stop(Duration::ZERO, SOON).await);
}

#[tokio::test]
async fn deleted_app_closes_its_sockets_on_every_instance_with_4001_for_good() {
    let world = World::new().await;
    let other = world.service.another().await;
    let (app, _secret) = world.app().await;
    let mut near = connect(world.service.port(), &app.key).await.unwrap();
    let mut far = connect(port(&other), &app.key).await.unwrap();
    world.delete(&app.app_id).await.unwrap();
    assert_eq!((code(&mut near).await, code(&mut far).await), (4001, 4001));
    assert_eq!(connect(world.service.port(), &app.key).await.err(), Some(4001));
    assert_eq!(fault(world.delete(&app.app_id).await), Code::ResourceNotFound);
    let left = world.db.sql("select count(*) from platform.realtime_app_secrets").await;
    assert_eq!(left.trim(), "0");
    assert!(other.stop(Duration::ZERO, SOON).await);
}

#[tokio::test]
async fn change_of_settings_holds_for_open_sockets() {
    let world = World::new().await;
    let (app, secret) = world.app().await;
    let mut sender = connect(world.service.port(), &app.key).await.unwrap();
    let mut listener = connect(world.service.port(), &app.key).await.unwrap();
    assert!(joins(&mut sender, &app, &secret, "private-room").await);
    assert!(joins(&mut listener, &app, &secret, "private-room").await);
    sender.trigger("private-room", "client-a", &json!({})).await;
    assert_eq!(sender.expect("pusher:error").await["data"]["code"], 4301);
    let wish = RealtimeApp { client_events: true, ..app.clone() };
    let after = world.update(wish, "client_events").await.unwrap();
    assert!(after.client_events && after.changed_at.is_some());
    let sender = Mutex::new(sender);
    // A pong behind it says that nothing was refused.
    eventually(SOON, || async {
        let mut sender = sender.lock().await;
        sender.trigger("private-room", "client-b", &json!({})).await;
        sender.send(&json!({"event": "pusher:ping", "data": {}})).await;
        let answer = sender.next().await;
        if answer["event"] == "pusher:pong" {
            return true;
        }
        assert_eq!(answer["data"]["code"], 4301);
        sender.expect("pusher:pong").await;
        false
    })
    .await;
    listener.expect("client-b").await;
}

#[tokio::test]
async fn suspended_tenants_apps_are_off_until_it_is_open_again() {
    let world = World::new().await;
    let (app, _secret) = world.app().await;
    let mut client = connect(world.service.port(), &app.key).await.unwrap();
    let feed = format!("tenant.{}", world.tenant);
    for (state, open) in [("suspended", false), ("ready", true)] {
        world.db.sql(&format!("update platform.tenants set state = '{state}'")).await;
        let now = world.service.rt.clock().now().unix_timestamp_nanos() / 1_000_000;
        world.service.nats.put("revocations", &feed, &now.to_string()).await;
        if !open {
            assert_eq!(code(&mut client).await, 4003);
        }
        let port = world.service.port();
        eventually(SOON, || async { connect(port, &app.key).await.is_ok() == open }).await;
    }
}

#[tokio::test]
async fn users_sockets_end_when_an_instance_says_so_and_nobody_elses() {
    let world = World::new().await;
    let (app, secret) = world.app().await;
    let mut clients = Vec::new();
    for user in ["7", "8"] {
        let mut client = connect(world.service.port(), &app.key).await.unwrap();
        let user_data = json!({"id": user}).to_string();
        let text = format!("{}::user::{user_data}", client.socket_id);
        let auth = sign(&app, &secret, &text);
        let data = json!({"auth": auth, "user_data": user_data});
        client.send(&json!({"event": "pusher:signin", "data": data})).await;
        client.expect("pusher:signin_success").await;
        clients.push(client);
    }
    let control = RealtimeControl {
        app: app.app_id.parse().unwrap(),
        terminate_user: "7".to_owned(),
        ..RealtimeControl::default()
    };
    let nats = world.service.nats.client().await;
    let subject = subjects::LIVE_CONTROL.to_owned();
    nats.publish(subject, control.encode_to_vec().into()).await.unwrap();
    nats.flush().await.unwrap();
    assert_eq!(code(&mut clients[0]).await, 4009);
    clients[1].quiet().await;
}

#[tokio::test]
async fn as_many_apps_are_made_as_a_tenant_may_have_whoever_asks_at_once() {
    let world = World::new().await;
    let names = ["a", "b", "c", "d", "e", "f"];
    let made = join_all(names.iter().map(|name| world.create(name))).await;
    let (made, refused): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (3, 3));
    for refusal in refused {
        assert_eq!(fault(refusal), Code::LimitReached);
    }
    let list = world.request(ListRealtimeAppsRequest {});
    let listed = world.calls().list_realtime_apps(list).await.unwrap().into_inner().apps;
    let names: Vec<_> = listed.iter().map(|app| app.name.as_str()).collect();
    assert!(listed.len() == 3 && names.is_sorted(), "{names:?}");
    assert!(listed.iter().all(|app| app.secrets.len() == 1));
}

#[tokio::test]
async fn app_of_another_tenant_is_not_there() {
    let world = World::new().await;
    let (app, _secret) = world.app().await;
    let stranger = world.db.tenant(tenant(), "stranger").await;
    let (id, mut calls) = (app.app_id.clone(), world.calls());
    let get = world.request_in(stranger, GetRealtimeAppRequest { app_id: id.clone() });
    assert_eq!(fault(calls.get_realtime_app(get).await), Code::ResourceNotFound);
    let wish = UpdateRealtimeAppRequest {
        realtime_app: Some(RealtimeApp { disabled: true, ..app.clone() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["disabled".to_owned()] }),
    };
    let update = world.request_in(stranger, wish);
    assert_eq!(fault(calls.update_realtime_app(update).await), Code::ResourceNotFound);
    let add = world.request_in(stranger, AddRealtimeAppSecretRequest { app_id: id.clone() });
    assert_eq!(fault(calls.add_realtime_app_secret(add).await), Code::ResourceNotFound);
    let wish = EndRealtimeAppSecretRequest {
        app_id: id.clone(),
        secret_id: app.secrets[0].secret_id.clone(),
    };
    let end = world.request_in(stranger, wish);
    assert_eq!(fault(calls.end_realtime_app_secret(end).await), Code::ResourceNotFound);
    let delete = world.request_in(stranger, DeleteRealtimeAppRequest { app_id: id.clone() });
    assert_eq!(fault(calls.delete_realtime_app(delete).await), Code::ResourceNotFound);
    let list = world.request_in(stranger, ListRealtimeAppsRequest {});
    assert!(calls.list_realtime_apps(list).await.unwrap().into_inner().apps.is_empty());
    let get = world.request(GetRealtimeAppRequest { app_id: id });
    let after = calls.get_realtime_app(get).await.unwrap().into_inner();
    assert!(!after.disabled && after.secrets.len() == 1, "nothing has changed: {after:?}");
}

#[tokio::test]
async fn secret_is_nowhere_in_the_database_nor_in_a_later_answer() {
    let world = World::new().await;
    let (app, secret) = world.app().await;
    let stored = "select string_agg(a::text, '') || string_agg(s::text, '') \
         || string_agg(encode(s.sealed, 'escape'), '') \
         from platform.realtime_apps a, platform.realtime_app_secrets s";
    let stored = world.db.sql(stored).await;
    assert!(stored.contains(&app.key) && !stored.contains(&secret), "{stored}");
    let get = world.request(GetRealtimeAppRequest { app_id: app.app_id.clone() });
    let shown = world.calls().get_realtime_app(get).await.unwrap().into_inner();
    assert!(!format!("{shown:?}").contains(&secret));
}

#[tokio::test]
async fn while_the_database_is_away_unknown_apps_come_back_later_and_the_own_app_goes_on() {
    let service = Service::start_with(|config| {
        config.postgres.acquire_timeout = Duration::from_millis(200);
    })
    .await;
    service.log.expect("apps cannot be looked up");
    service.log.expect("make a realtime app");
    let unknown = connect(service.port(), "0123456789abcdef0123").await;
    assert_eq!(unknown.err(), Some(4100));
    let of_no_form = connect(service.port(), "no-such-app").await;
    assert_eq!(of_no_form.err(), Some(4001));
    drop(Client::connect(&service).await);
    let address = format!("http://{}", service.rt.address("grpc").unwrap());
    let channel = Channel::from_shared(address).unwrap().connect_lazy();
    let permissions = vec!["realtime.manage".to_owned()];
    let claims = Claims { permissions, ..service.claims(tenant()) };
    let app = RealtimeApp { name: "x".to_owned(), ..RealtimeApp::default() };
    let wish = CreateRealtimeAppRequest { realtime_app: Some(app) };
    let request = service.request_as(&claims, wish);
    let refused = RealtimeAppServiceClient::new(channel).create_realtime_app(request).await;
    assert_eq!(fault(refused), Code::ServiceUnavailable);
}
