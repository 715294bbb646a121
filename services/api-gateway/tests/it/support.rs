//! A gateway on any port with scripted services behind it.

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api_gateway::{Config, DEFAULT_CONFIG};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value as Json, json};
use time::OffsetDateTime;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use uuid::Uuid;
use yard_authn::{Claims, Signer, permissions_of};
use yard_contracts::device::v1::device_service_server::DeviceServiceServer;
use yard_contracts::guard::v1::guard_service_server::GuardServiceServer;
use yard_contracts::guard::v1::maintenance_service_server::MaintenanceServiceServer;
use yard_contracts::identity::v1::session_service_server::SessionServiceServer;
use yard_contracts::realtime::v1::realtime_service_server::RealtimeServiceServer;
use yard_fault::Code;
use yard_ids::{Clock as _, IdSource as _, ManualClock, RandomIds, SessionId, SystemClock};
use yard_runtime::{Runtime, RuntimeConfig, TaskKind, config};
use yard_testkit::logs::{self, LogCapture};
use yard_testkit::{TestFolder, TestNats};

use crate::doubles::Double;

pub(crate) const TENANT: &str = "0190a6f2-7c2a-7b52-9c11-000000000001";
pub(crate) const DEVICE: &str = "0190a6f2-7c2a-7b52-9c11-000000000002";
pub(crate) const OWNER: &str = "yst_owner";
pub(crate) const VIEWER: &str = "yst_viewer";
pub(crate) const ADMIN: &str = "yst_system-administrator";

/// Keys and trust of one test.
pub(crate) struct Keys {
    issuer: Signer,
    ended: Mutex<Option<Code>>,
}

impl Keys {
    /// From now on no session stands, for that reason.
    pub(crate) fn end(&self, why: Code) {
        *self.ended.lock().unwrap() = Some(why);
    }

    /// The access token of a session token that names a role.
    pub(crate) fn access_token(&self, session: &str) -> Result<String, Code> {
        let role = session.strip_prefix("yst_").filter(|role| !permissions_of(role).is_empty());
        let role = role.ok_or(Code::AuthSessionExpired)?;
        if let Some(why) = *self.ended.lock().unwrap() {
            return Err(why);
        }
        let now = SystemClock.now();
        let mut claims = Claims::of_service("auth", RandomIds.uuid7(), now);
        claims.sub = format!("person:{DEVICE}");
        claims.issued_ms = i64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap();
        // One session per role, so that each has limits and bans of its own.
        claims.sid = Some(session_of(role));
        claims.role = role.to_owned();
        claims.permissions = permissions_of(role).iter().map(|&p| p.to_owned()).collect();
        claims.tenant = (role != "system-administrator").then(|| TENANT.parse().unwrap());
        Ok(self.issuer.sign(&claims).unwrap())
    }
}

/// The session of the token that names a role.
pub(crate) fn session_of(role: &str) -> SessionId {
    SessionId::from_uuid(Uuid::from_u128(role.bytes().fold(1, |id, b| id * 31 + u128::from(b))))
}

fn key(kid: &str) -> (String, Json) {
    let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(document.as_ref()).unwrap();
    let body = STANDARD.encode(document.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    (pem, json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid}))
}

/// The running gateway of one test.
pub(crate) struct Fixture {
    pub(crate) services: Double,
    pub(crate) runtime: Runtime,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) address: SocketAddr,
    pub(crate) client: Client,
    /// Late, so that it still listens while the rest ends.
    pub(crate) log: LogCapture,
    /// After it: that the broker goes before the gateway is the test's doing.
    nats: TestNats,
    /// Of its keys.
    _folder: TestFolder,
}

impl Fixture {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let log = logs::capture();
        // Servers first, they take their time: auth's double signs by the real clock, and this one
        // stands still.
        let nats = TestNats::start().await;
        let clock = Arc::new(ManualClock::new(
            OffsetDateTime::from_unix_timestamp(SystemClock.now().unix_timestamp()).unwrap(),
        ));
        let runtime =
            Runtime::builder("api-gateway", "0.0.0").clock(Arc::clone(&clock) as Arc<_>).build();
        let dir = TestFolder::new("gateway");
        let (pem, own) = key("service:api-gateway");
        let (issuer, issuer_jwk) = key("issuer:test");
        fs::write(dir.join("own.key"), pem).unwrap();
        fs::write(dir.join("trust.json"), json!({"keys": [own, issuer_jwk]}).to_string()).unwrap();
        let keys = Keys {
            issuer: Signer::from_pem(issuer.as_bytes(), "issuer:test").unwrap(),
            ended: Mutex::default(),
        };
        let services = Double::new(Arc::new(keys));
        let upstream = serve(&runtime, &services).await;

        let text =
            DEFAULT_CONFIG.replacen("\nurl = \"\"", &format!("\nurl = \"{}\"", nats.url()), 1);
        let mut config: Config = config::load("api-gateway", &text, None).unwrap();
        config.runtime = RuntimeConfig::for_test();
        config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.identity.key_file = dir.join("own.key");
        config.identity.trust_file = dir.join("trust.json");
        let url = format!("http://{upstream}");
        config.upstreams.auth = url.clone();
        config.upstreams.device_ingest = url.clone();
        config.upstreams.comms_websocket = url;
        change(&mut config);
        api_gateway::run(config, runtime.clone()).await.unwrap();
        let address = runtime.address("http").unwrap();
        let client = Client::builder()
            .timeout(Duration::from_secs(20))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { services, runtime, clock, address, client, nats, log, _folder: dir }
    }

    /// auth says by the feed that what everybody may do has changed.
    pub(crate) async fn change_everybody(&self) {
        let now = SystemClock.now().unix_timestamp_nanos() / 1_000_000;
        self.nats.put("revocations", &format!("person.any.{DEVICE}"), &now.to_string()).await;
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// A call in the name of `session`, as a program makes it.
    pub(crate) fn signed(&self, method: Method, path: &str, session: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(session)
    }

    /// A call as the console makes it.
    pub(crate) fn browser(&self, method: Method, path: &str, session: &str) -> RequestBuilder {
        self.request(method, path)
            .header("cookie", format!("theme=dark; __Host-yard_session={session}"))
            .header("x-yard-csrf", "1")
    }
}

async fn serve(runtime: &Runtime, services: &Double) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Routes::new(DeviceServiceServer::new(services.clone()))
        .add_service(SessionServiceServer::new(services.clone()))
        .add_service(RealtimeServiceServer::new(services.clone()))
        .add_service(GuardServiceServer::new(services.clone()))
        .add_service(MaintenanceServiceServer::new(services.clone()));
    let hard = runtime.shutdown().hard().clone().cancelled_owned();
    runtime.tasks().spawn(TaskKind::Background, "doubles", async move {
        let incoming = TcpIncoming::from(listener);
        let server = Server::builder().add_routes(routes);
        Ok(server.serve_with_incoming_shutdown(incoming, hard).await?)
    });
    address
}

/// Checks that an answer is a problem of this status and code, and returns it.
pub(crate) async fn problem(response: Response, status: u16, code: &str) -> Json {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let found = response.status().as_u16();
    let body: Json = response.json().await.unwrap();
    assert_eq!((found, body["code"].as_str().unwrap()), (status, code), "{body}");
    assert_eq!(body["status"], status);
    assert_eq!(body["type"], format!("/errors/{code}"));
    assert!(!body["instance"].as_str().unwrap().is_empty());
    body
}
