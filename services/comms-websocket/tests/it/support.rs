//! A running service, its keys, and clients for it.

use std::process::Stdio;
use std::time::Duration;

use async_nats::RequestErrorKind;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use comms_websocket::{Config, DEFAULT_CONFIG};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tonic::transport::Channel;
use tonic::{Request, Status};
use yard_authn::{AUDIENCE, Claims, Signer};
use yard_contracts::realtime::v1::AuthorizeChannelRequest;
use yard_contracts::realtime::v1::realtime_service_client::RealtimeServiceClient;
use yard_contracts::subjects;
use yard_ids::{DeviceId, IdSource as _, RandomIds, TenantId};
use yard_runtime::Runtime;
use yard_testkit::logs::{self, LogCapture};
use yard_testkit::{TestFolder, TestNats, TestRedis, eventually};

pub(crate) const KEY: &str = "test-app";
/// Of that app.
pub(crate) const SECRET: &str = "a secret of the tests";
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough for something that must not come to have come.
pub(crate) const QUIET: Duration = Duration::from_millis(300);

/// Where no database is: most tests need none.
const NO_DATABASE: &str = "postgres://nobody@127.0.0.1:1/none";

pub(crate) fn tenant() -> TenantId {
    TenantId::from_uuid(RandomIds.uuid7())
}

pub(crate) fn device() -> DeviceId {
    DeviceId::from_uuid(RandomIds.uuid7())
}

pub(crate) fn device_channel(tenant: TenantId, device: DeviceId) -> String {
    format!("private-organization.{tenant}.device.{device}")
}

pub(crate) struct Service {
    pub(crate) rt: Runtime,
    pub(crate) nats: TestNats,
    pub(crate) redis: TestRedis,
    folder: TestFolder,
    config: Config,
    issuer: Signer,
    /// Last, so that it still listens while the rest ends.
    pub(crate) log: LogCapture,
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_config| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let log = logs::capture();
        // Installs the recorder, as a service's `main` does.
        drop(yard_runtime::metrics_text());
        let nats = TestNats::start().await;
        let rt = Runtime::builder("comms-websocket", "0.0.0").build();
        let folder = TestFolder::new("comms");
        let (own, own_public) = key_pair();
        let (issuer, issuer_public) = key_pair();
        let trust = json!({"keys": [
            jwk("service:comms-websocket", &own_public),
            jwk("issuer:test", &issuer_public),
        ]});
        std::fs::write(folder.join("own.key"), &own).unwrap();
        std::fs::write(folder.join("trust.json"), trust.to_string()).unwrap();
        std::fs::write(folder.join("secret"), format!("{SECRET}\n")).unwrap();
        let sealing = format!("k1:{}\n", STANDARD.encode([7; 32]));
        std::fs::write(folder.join("sealing.key"), sealing).unwrap();
        let redis = TestRedis::create().await;
        let mut config = config(&nats, &redis, &folder);
        change(&mut config);
        comms_websocket::run(config.clone(), rt.clone()).await.unwrap();
        let issuer = Signer::from_pem(issuer.as_bytes(), "issuer:test").unwrap();
        Self { rt, nats, redis, folder, config, issuer, log }
    }

    /// Another instance beside this one, on the same servers.
    pub(crate) async fn another(&self) -> Runtime {
        let rt = Runtime::builder("comms-websocket", "0.0.0").build();
        comms_websocket::run(self.config.clone(), rt.clone()).await.unwrap();
        rt
    }

    /// Starts another instance as in that environment.
    pub(crate) async fn another_in(&self, environment: &str) -> anyhow::Result<()> {
        let rt = Runtime::builder("comms-websocket", "0.0.0").build();
        let mut config = self.config.clone();
        environment.clone_into(&mut config.runtime.environment);
        comms_websocket::run(config, rt).await
    }

    /// Another instance as a process of its own, which can be killed; and its port.
    pub(crate) async fn another_process(&self) -> (Child, u16) {
        let (sockets, calls, admin) = (free_port(), free_port(), free_port());
        let mut config = self.config.clone();
        config.socket.listen.set_port(sockets);
        config.grpc.listen.set_port(calls);
        config.runtime.admin_listen.set_port(admin);
        let file = self.folder.join("another.toml");
        // Secrets are never written out with the rest.
        let text = toml::to_string(&config).unwrap();
        std::fs::write(&file, text).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_comms-websocket"))
            .arg("--config")
            .arg(&file)
            .env("YARD_COMMS_WEBSOCKET__NATS__URL", self.nats.url())
            .env("YARD_COMMS_WEBSOCKET__REDIS__URL", self.redis.url())
            .env("YARD_COMMS_WEBSOCKET__POSTGRES__URL", NO_DATABASE)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let up = || async { TcpStream::connect(("127.0.0.1", sockets)).await.is_ok() };
        eventually(PATIENCE, up).await;
        (child, sockets)
    }

    pub(crate) fn port(&self) -> u16 {
        self.rt.address("socket").unwrap().port()
    }

    pub(crate) fn url(&self) -> String {
        url(self.port())
    }

    pub(crate) fn calls(&self) -> RealtimeServiceClient<Channel> {
        let address = format!("http://{}", self.rt.address("grpc").unwrap());
        RealtimeServiceClient::new(Channel::from_shared(address).unwrap().connect_lazy())
    }

    /// A request of a person in `tenant`.
    pub(crate) fn request<T>(&self, tenant: TenantId, message: T) -> Request<T> {
        self.request_as(&self.claims(tenant), message)
    }

    /// Claims of somebody in `tenant`.
    pub(crate) fn claims(&self, tenant: TenantId) -> Claims {
        let now = self.rt.clock().now().unix_timestamp();
        Claims {
            iss: "auth".to_owned(),
            sub: format!("person:{}", RandomIds.uuid7()),
            aud: AUDIENCE.to_owned(),
            iat: now,
            exp: now + 60,
            jti: RandomIds.uuid7(),
            tenant: Some(tenant),
            role: "viewer".to_owned(),
            permissions: vec!["telemetry.read".to_owned()],
            sid: None,
            auth_time: None,
            amr: Vec::new(),
            issued_ms: now * 1_000,
            ..Claims::default()
        }
    }

    pub(crate) fn request_as<T>(&self, claims: &Claims, message: T) -> Request<T> {
        let bearer = format!("Bearer {}", self.issuer.sign(claims).unwrap());
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        request
    }

    pub(crate) async fn authorize(
        &self,
        tenant: TenantId,
        socket_id: &str,
        channel: &str,
    ) -> Result<String, Status> {
        self.authorize_as(&self.claims(tenant), socket_id, channel).await
    }

    pub(crate) async fn authorize_as(
        &self,
        claims: &Claims,
        socket_id: &str,
        channel: &str,
    ) -> Result<String, Status> {
        let wish = AuthorizeChannelRequest {
            socket_id: socket_id.to_owned(),
            channel_name: channel.to_owned(),
        };
        let answer = self.calls().authorize_channel(self.request_as(claims, wish)).await?;
        Ok(answer.into_inner().auth)
    }

    pub(crate) async fn publish(
        &self,
        tenant: TenantId,
        device: DeviceId,
        event: &str,
        data: &Value,
    ) {
        let client = self.nats.client().await;
        let subject = subjects::live_device(tenant, device, event);
        client.publish(subject, data.to_string().into()).await.unwrap();
        client.flush().await.unwrap();
    }

    /// Whether this instance has told the broker that it wants this device's events.
    pub(crate) async fn is_interested(&self, tenant: TenantId, device: DeviceId) -> bool {
        let client = self.nats.client().await;
        let subject = subjects::live_device(tenant, device, "probe");
        let asked = client.request(subject, "null".into());
        match timeout(QUIET, asked).await {
            Ok(Err(error)) => error.kind() != RequestErrorKind::NoResponders,
            // Somebody has it, and says nothing.
            Ok(Ok(_)) | Err(_) => true,
        }
    }

    pub(crate) async fn stop(&self) -> bool {
        self.rt.stop(Duration::ZERO, PATIENCE).await
    }
}

fn url(port: u16) -> String {
    format!("ws://127.0.0.1:{port}/app/{KEY}?protocol=7&client=test&version=1")
}

/// One that nobody has at this moment.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// `key:signature` of a text, as the app's own server makes it.
pub(crate) fn sign(text: &str) -> String {
    format!("{KEY}:{}", signature(SECRET, text))
}

/// HMAC-SHA256 in hexadecimal.
pub(crate) fn signature(secret: &str, text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex(hmac::sign(&key, text.as_bytes()).as_ref())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn config(nats: &TestNats, redis: &TestRedis, folder: &std::path::Path) -> Config {
    // In the order of the sections.
    let text = DEFAULT_CONFIG
        .replacen("\nurl = \"\"", &format!("\nurl = \"{}\"", redis.url()), 1)
        .replacen("\nurl = \"\"", &format!("\nurl = \"{}\"", nats.url()), 1)
        .replacen("\nurl = \"\"", &format!("\nurl = \"{NO_DATABASE}\""), 1)
        .replace("0.0.0.0:6071", "127.0.0.1:0")
        .replace("127.0.0.1:7301", "127.0.0.1:0")
        .replace("app_key = \"switchyard\"", &format!("app_key = \"{KEY}\""));
    let mut config: Config =
        yard_runtime::config::load("comms-websocket-test", &text, None).unwrap();
    config.socket.app_secret_file = folder.join("secret");
    config.socket.drain_window = Duration::from_millis(300);
    config.sealing.key_file = folder.join("sealing.key");
    // A busy machine is no broker that is away.
    config.api.patience = PATIENCE;
    config.identity.key_file = folder.join("own.key");
    config.identity.trust_file = folder.join("trust.json");
    config
}

/// A private key as PEM, and the public one.
fn key_pair() -> (String, Vec<u8>) {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let body = STANDARD.encode(pkcs8.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    (pem, pair.public_key().as_ref().to_vec())
}

fn jwk(kid: &str, public: &[u8]) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(public), "kid": kid})
}

/// A Pusher client without any comfort.
pub(crate) struct Client {
    pub(crate) ws: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) socket_id: String,
}

impl Client {
    pub(crate) async fn connect(service: &Service) -> Self {
        Self::connect_to(service.port()).await
    }

    pub(crate) async fn connect_to(port: u16) -> Self {
        let (ws, _) = tokio_tungstenite::connect_async(url(port)).await.unwrap();
        let mut this = Self { ws, socket_id: String::new() };
        let hello = this.expect("pusher:connection_established").await;
        let data: Value = serde_json::from_str(hello["data"].as_str().unwrap()).unwrap();
        assert!(data["activity_timeout"].as_u64().unwrap() > 0);
        this.socket_id = data["socket_id"].as_str().unwrap().to_owned();
        this
    }

    /// Connects, has itself authorised and joins; the channel is live when this returns.
    pub(crate) async fn joined(service: &Service, tenant: TenantId, channel: &str) -> Self {
        let mut this = Self::connect(service).await;
        let auth = service.authorize(tenant, &this.socket_id, channel).await.unwrap();
        this.subscribe(channel, &auth).await;
        this.expect("pusher_internal:subscription_succeeded").await;
        this
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.ws.send(Message::text(message.to_string())).await.unwrap();
    }

    pub(crate) async fn subscribe(&mut self, channel: &str, auth: &str) {
        let data = json!({"channel": channel, "auth": auth});
        self.send(&json!({"event": "pusher:subscribe", "data": data})).await;
    }

    /// Asks to join with the app's own signature, over `data` where there is some.
    pub(crate) async fn join(&mut self, channel: &str, data: Option<&str>) {
        let signed = match data {
            None => format!("{}:{channel}", self.socket_id),
            Some(data) => format!("{}:{channel}:{data}", self.socket_id),
        };
        let data = json!({"channel": channel, "auth": sign(&signed), "channel_data": data});
        self.send(&json!({"event": "pusher:subscribe", "data": data})).await;
    }

    /// Joins a presence channel as somebody; who is there, by id.
    pub(crate) async fn present(&mut self, channel: &str, user: &str) -> Vec<String> {
        let data = json!({"user_id": user, "user_info": {"name": format!("n{user}")}});
        self.join(channel, Some(&data.to_string())).await;
        let roster = self.data("pusher_internal:subscription_succeeded").await;
        let presence = &roster["presence"];
        let ids: Vec<String> = serde_json::from_value(presence["ids"].clone()).unwrap();
        assert_eq!(presence["count"], ids.len());
        assert_eq!(presence["hash"][user]["name"], format!("n{user}"));
        ids
    }

    /// Says who the client is.
    pub(crate) async fn sign_in(&mut self, user_data: &str) {
        let auth = sign(&format!("{}::user::{user_data}", self.socket_id));
        let data = json!({"auth": auth, "user_data": user_data});
        self.send(&json!({"event": "pusher:signin", "data": data})).await;
    }

    pub(crate) async fn trigger(&mut self, channel: &str, event: &str, data: &Value) {
        self.send(&json!({"event": event, "channel": channel, "data": data})).await;
    }

    pub(crate) async fn next(&mut self) -> Value {
        loop {
            let next = timeout(PATIENCE, self.ws.next()).await.expect("a message in time");
            match next.expect("the socket is open").expect("the socket is well") {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    /// The next message, which has to be this event.
    pub(crate) async fn expect(&mut self, event: &str) -> Value {
        let next = self.next().await;
        assert_eq!(next["event"], event, "{next}");
        next
    }

    /// The data of the next message, which has to be this event of a channel.
    pub(crate) async fn data(&mut self, event: &str) -> Value {
        let next = self.expect(event).await;
        serde_json::from_str(next["data"].as_str().expect("data is a string")).unwrap()
    }

    /// Asserts that nothing comes for a while.
    pub(crate) async fn quiet(&mut self) {
        if let Ok(came) = timeout(QUIET, self.ws.next()).await {
            panic!("unexpected {came:?}");
        }
    }

    /// Reads to the end and says with which code it was closed.
    pub(crate) async fn closed(&mut self) -> u16 {
        close_code(&mut self.ws).await.expect("a close frame")
    }
}

/// Reads until the connection ends; the code of the close frame, if one came.
pub(crate) async fn close_code(ws: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> Option<u16> {
    let mut code = None;
    loop {
        match timeout(PATIENCE, ws.next()).await.expect("the end in time") {
            Some(Ok(Message::Close(Some(CloseFrame { code: found, .. })))) => {
                code = Some(found.into());
            }
            Some(Ok(_)) => {}
            Some(Err(WsError::Io(_) | WsError::Protocol(_))) | None => return code,
            Some(Err(other)) => panic!("unexpected {other:?}"),
        }
    }
}

/// Waits until a metric's line says something.
pub(crate) async fn metric(line: &str) {
    eventually(PATIENCE, || async { yard_runtime::metrics_text().contains(line) }).await;
}
