use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use scheduler::{Config, LeaderConfig, ListenConfig};
use serde_json::{Value, json};
use tonic::Request;
use tonic::transport::Channel;
use uuid::Uuid;
use yard_authn::{AUDIENCE, Claims, IdentityConfig, Signer};
use yard_contracts::schedule::v1::schedule_service_client::ScheduleServiceClient;
use yard_contracts::streams;
use yard_ids::{Clock as _, IdSource as _, RandomIds, SystemClock};
use yard_messaging::{Nats, NatsConfig};
use yard_runtime::{Runtime, RuntimeConfig};
use yard_testkit::logs::{self, LogCapture};
use yard_testkit::{TestDb, TestFolder, TestNats, eventually};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const TTL: Duration = Duration::from_secs(6);

/// Servers, a database and keys of one test.
pub(crate) struct World {
    pub(crate) db: TestDb,
    server: TestNats,
    bus: Nats,
    folder: TestFolder,
    issuer: Signer,
    /// Last, so that it still listens while the rest ends.
    pub(crate) log: LogCapture,
}

/// A scheduler in this test's own executor.
pub(crate) struct Service {
    pub(crate) rt: Runtime,
}

/// A scheduler in an executor of its own, which can be torn away like a killed process.
pub(crate) struct Victim {
    executor: tokio::runtime::Runtime,
    pub(crate) instance: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        let log = logs::capture();
        let (db, server) = (TestDb::create().await, TestNats::start().await);
        let folder = TestFolder::new("scheduler");
        let (own, own_public) = key_pair();
        let (issuer, issuer_public) = key_pair();
        let own_public = jwk("service:scheduler", &own_public);
        let trust = json!({"keys": [own_public, jwk("issuer:test", &issuer_public)]});
        std::fs::write(folder.join("own.key"), own).unwrap();
        std::fs::write(folder.join("trust.json"), trust.to_string()).unwrap();
        let issuer = Signer::from_pem(issuer.as_bytes(), "issuer:test").unwrap();
        let tester = Runtime::builder("test", "0").build();
        let bus = Nats::connect(&NatsConfig::for_test(&server.url()), &tester).await.unwrap();
        Self { db, server, bus, folder, issuer, log }
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            runtime: RuntimeConfig::for_test(),
            grpc: ListenConfig { listen: "127.0.0.1:0".parse().unwrap() },
            postgres: self.db.config("yard_scheduler"),
            nats: NatsConfig::for_test(&self.server.url()),
            identity: IdentityConfig {
                key_file: self.folder.join("own.key"),
                trust_file: self.folder.join("trust.json"),
            },
            leader: LeaderConfig { ttl: TTL, renew: Duration::from_millis(200) },
        }
    }

    pub(crate) async fn start(&self) -> Service {
        self.start_with(self.config()).await
    }

    pub(crate) async fn start_with(&self, config: Config) -> Service {
        let rt = Runtime::builder("scheduler", "0").build();
        scheduler::run(config, rt.clone()).await.unwrap();
        Service { rt }
    }

    pub(crate) async fn start_victim(&self) -> Victim {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let executor = builder.worker_threads(1).enable_all().build().unwrap();
        let rt = Runtime::builder("scheduler", "0").build();
        let instance = rt.instance().to_owned();
        executor.spawn(scheduler::run(self.config(), rt)).await.unwrap().unwrap();
        Victim { executor, instance }
    }

    /// A schedule of the far past's choosing: `due` is an SQL expression.
    pub(crate) async fn schedule(&self, name: &str, cron: &str, due: &str) {
        let insert = format!(
            "insert into platform.schedules (name, cron, time_zone, queue, job_kind, \
             starting_deadline, next_fire_at) values ('{name}', '{cron}', 'UTC', 'default', \
             'partition-maintenance', interval '1 day', {due})"
        );
        self.db.sql(&insert).await;
    }

    pub(crate) async fn number(&self, statement: &str) -> i64 {
        self.db.sql(statement).await.parse().unwrap()
    }

    pub(crate) async fn fires(&self, schedule: &str) -> i64 {
        let count = format!("select count(*) from platform.fires where schedule = '{schedule}'");
        self.number(&count).await
    }

    /// Waits until `instance` leads, and answers its epoch.
    pub(crate) async fn leads(&self, instance: &str) -> i64 {
        let lease = format!(
            "select coalesce(max(epoch), 0) from platform.leases where holder = '{instance}' \
             and expires_at > clock_timestamp()"
        );
        eventually(PATIENCE, || async {
            let epoch = self.number(&lease).await;
            (epoch > 0).then_some(epoch)
        })
        .await
    }

    /// Messages on the stream JOBS for the worker's queue.
    pub(crate) async fn wishes(&self) -> usize {
        use futures::TryStreamExt as _;
        let stream = self.bus.jetstream().get_stream(streams::JOBS.name).await.unwrap();
        let subjects = stream.info_with_subjects("job.v1.default.partition-maintenance").await;
        let found: Vec<(String, usize)> = subjects.unwrap().try_collect().await.unwrap();
        found.into_iter().map(|(_, count)| count).sum()
    }

    /// A request of a platform operator.
    pub(crate) fn ops<T>(&self, message: T) -> Request<T> {
        self.request(&["ops.read", "ops.manage"], message)
    }

    pub(crate) fn request<T>(&self, permissions: &[&str], message: T) -> Request<T> {
        let now = SystemClock.now().unix_timestamp();
        let claims = Claims {
            iss: "auth".to_owned(),
            sub: format!("person:{}", RandomIds.uuid7()),
            aud: AUDIENCE.to_owned(),
            iat: now,
            exp: now + 60,
            jti: RandomIds.uuid7(),
            tenant: None,
            role: "tester".to_owned(),
            permissions: permissions.iter().map(|&p| p.to_owned()).collect(),
            sid: None,
            auth_time: None,
            amr: Vec::new(),
            ..Claims::default()
        };
        let mut request = Request::new(message);
        let bearer = format!("Bearer {}", self.issuer.sign(&claims).unwrap());
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        request
    }
}

impl Service {
    pub(crate) fn client(&self) -> ScheduleServiceClient<Channel> {
        let address = format!("http://{}", self.rt.address("grpc").unwrap());
        ScheduleServiceClient::new(Channel::from_shared(address).unwrap().connect_lazy())
    }

    /// A clean stop leaves no task behind.
    pub(crate) async fn stop(self) {
        assert!(self.rt.stop(Duration::ZERO, PATIENCE).await);
    }
}

impl Victim {
    /// As `kill -9`: the lease is not given back.
    pub(crate) fn kill(self) {
        self.executor.shutdown_background();
    }
}

pub(crate) fn uuid(text: &str) -> Uuid {
    text.parse().unwrap()
}

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
