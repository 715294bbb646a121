use std::time::Duration;

use async_nats::jetstream::Context;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use prost::Message as _;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tonic::Request;
use tonic::transport::Channel;
use uuid::Uuid;
use worker::{Config, JobsConfig, ListenConfig, WebhooksConfig, WriterConfig};
use yard_authn::{AUDIENCE, Claims, IdentityConfig, Signer};
use yard_contracts::job::v1::JobRequest;
use yard_contracts::job::v1::job_service_client::JobServiceClient;
use yard_contracts::realtime::v1::WebhookDelivery;
use yard_contracts::telemetry::v1::TelemetryRecord;
use yard_contracts::telemetry::v1::telemetry_service_client::TelemetryServiceClient;
use yard_contracts::{streams, subjects, values};
use yard_ids::{Clock as _, DeviceId, IdSource as _, RandomIds, SystemClock, TenantId};
use yard_messaging::{Nats, NatsConfig, Outgoing};
use yard_pg::PostgresConfig;
use yard_runtime::{Runtime, RuntimeConfig};
use yard_testkit::logs::{self, LogCapture};
use yard_testkit::{TestDb, TestFolder, TestNats, eventually};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const TELEMETRY: &str = "telemetry.read";

/// Servers, a database and keys of one test.
pub(crate) struct World {
    pub(crate) db: TestDb,
    pub(crate) server: TestNats,
    pub(crate) bus: Nats,
    folder: TestFolder,
    issuer: Signer,
    /// Last, so that it still listens while the rest ends.
    pub(crate) log: LogCapture,
}

/// A worker in this test's own executor.
pub(crate) struct Service {
    rt: Runtime,
}

/// A worker in an executor of its own, which can be torn away like a killed process.
pub(crate) struct Victim {
    executor: tokio::runtime::Runtime,
}

impl World {
    pub(crate) async fn new() -> Self {
        let log = logs::capture();
        let (db, server) = (TestDb::create().await, TestNats::start().await);
        let folder = TestFolder::new("worker");
        let (own, own_public) = key_pair();
        let (issuer, issuer_public) = key_pair();
        let trust = json!({"keys": [jwk("service:worker", &own_public), jwk("issuer:test", &issuer_public)]});
        std::fs::write(folder.join("own.key"), own).unwrap();
        std::fs::write(folder.join("trust.json"), trust.to_string()).unwrap();
        let issuer = Signer::from_pem(issuer.as_bytes(), "issuer:test").unwrap();
        let tester = Runtime::builder("test", "0").build();
        let bus = Nats::connect(&NatsConfig::for_test(&server.url()), &tester).await.unwrap();
        Self { db, server, bus, folder, issuer, log }
    }

    pub(crate) fn config(&self) -> Config {
        let mut postgres = PostgresConfig::for_test(&self.db.url("yard_worker"));
        postgres.max_connections = 10;
        Config {
            runtime: RuntimeConfig {
                environment: "development".to_owned(),
                ..RuntimeConfig::for_test()
            },
            grpc: ListenConfig { listen: "127.0.0.1:0".parse().unwrap() },
            postgres,
            nats: NatsConfig::for_test(&self.server.url()),
            identity: IdentityConfig {
                key_file: self.folder.join("own.key"),
                trust_file: self.folder.join("trust.json"),
            },
            telemetry_writer: WriterConfig {
                ack_wait: Duration::from_secs(3),
                ..WriterConfig::default()
            },
            jobs: JobsConfig {
                lease: Duration::from_secs(1),
                poll: Duration::from_millis(50),
                rescue: Duration::from_millis(100),
                ..JobsConfig::default()
            },
            // Receivers of the tests are here.
            webhooks: WebhooksConfig {
                allowed_networks: vec!["127.0.0.0/8".to_owned()],
                plain_http: true,
                ack_wait: Duration::from_secs(3),
                ..WebhooksConfig::default()
            },
        }
    }

    pub(crate) async fn start(&self) -> Service {
        self.start_with(self.config()).await
    }

    pub(crate) async fn start_with(&self, config: Config) -> Service {
        let rt = Runtime::builder("worker", "0").build();
        worker::run(config, rt.clone()).await.unwrap();
        Service { rt }
    }

    /// A call of a webhook, as comms-websocket gives it to the stream.
    pub(crate) async fn call(&self, tenant: TenantId, url: &str, body: &str) {
        let delivery = WebhookDelivery {
            id: id().to_string(),
            tenant_id: tenant.to_string(),
            app_id: "1234567890".to_owned(),
            url: url.to_owned(),
            key: "the key".to_owned(),
            signature: "the signature".to_owned(),
            body: body.as_bytes().to_vec(),
            made_at: Some(values::timestamp(now())),
        };
        let message = Outgoing {
            subject: subjects::webhook(tenant, 1_234_567_890),
            id: id(),
            payload: delivery.encode_to_vec().into(),
            traceparent: None,
        };
        self.bus.publish(&message).await.unwrap().confirmed().await.unwrap();
    }

    pub(crate) async fn start_victim(&self) -> Victim {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let executor = builder.worker_threads(1).enable_all().build().unwrap();
        let rt = Runtime::builder("worker", "0").build();
        executor.spawn(worker::run(self.config(), rt)).await.unwrap().unwrap();
        Victim { executor }
    }

    pub(crate) async fn tenant(&self, slug: &str) -> TenantId {
        self.db.tenant(TenantId::from_uuid(id()), slug).await
    }

    /// Publishes records as device-ingest does; each publish has an id of its own, so that the
    /// broker's deduplication does not hide what the database has to do.
    pub(crate) async fn publish(&self, records: &[TelemetryRecord]) {
        let mut pending = Vec::new();
        for record in records {
            let tenant = record.tenant_id.parse().unwrap();
            let device = record.device_id.parse().unwrap();
            let message = Outgoing {
                subject: subjects::telemetry(tenant, device, "reading"),
                id: id(),
                payload: record.encode_to_vec().into(),
                traceparent: None,
            };
            pending.push(self.bus.publish(&message).await.unwrap());
        }
        for ack in pending {
            ack.confirmed().await.unwrap();
        }
    }

    pub(crate) async fn wish(&self, job: Uuid, kind: &str) {
        let request = JobRequest {
            job_id: job.to_string(),
            queue: "default".to_owned(),
            kind: kind.to_owned(),
            arguments_json: "{}".to_owned(),
            requested_at: Some(values::timestamp(now())),
        };
        let message = Outgoing {
            subject: subjects::job("default", kind),
            id: id(),
            payload: request.encode_to_vec().into(),
            traceparent: None,
        };
        self.bus.publish(&message).await.unwrap().confirmed().await.unwrap();
    }

    pub(crate) fn jetstream(&self) -> &Context {
        self.bus.jetstream()
    }

    pub(crate) async fn in_stream(&self, name: &str) -> u64 {
        let stream = self.jetstream().get_stream(name).await.unwrap();
        stream.cached_info().state.messages
    }

    /// Waits until every record is acknowledged.
    pub(crate) async fn drained(&self) {
        let name = streams::TELEMETRY.name;
        eventually(PATIENCE, || async { self.in_stream(name).await == 0 }).await;
    }

    pub(crate) async fn stored(&self) -> usize {
        self.db.sql("select count(*) from series.telemetry").await.parse().unwrap()
    }

    /// A request of a person of `tenant` who may read telemetry.
    pub(crate) fn of<T>(&self, tenant: TenantId, message: T) -> Request<T> {
        self.request(Some(tenant), TELEMETRY, message)
    }

    /// A request of a platform operator.
    pub(crate) fn ops<T>(&self, message: T) -> Request<T> {
        self.request(None, "ops.read", message)
    }

    pub(crate) fn request<T>(
        &self,
        tenant: Option<TenantId>,
        permission: &str,
        message: T,
    ) -> Request<T> {
        let at = now().unix_timestamp();
        let claims = Claims {
            iss: "auth".to_owned(),
            sub: format!("person:{}", id()),
            aud: AUDIENCE.to_owned(),
            iat: at,
            exp: at + 60,
            jti: id(),
            tenant,
            role: "tester".to_owned(),
            permissions: vec![permission.to_owned()],
            sid: None,
            auth_time: None,
            amr: Vec::new(),
            ..Claims::default()
        };
        let token = self.issuer.sign(&claims).unwrap();
        let mut request = Request::new(message);
        let bearer = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        request
    }
}

impl Service {
    pub(crate) fn telemetry(&self) -> TelemetryServiceClient<Channel> {
        TelemetryServiceClient::new(self.channel())
    }

    pub(crate) fn jobs(&self) -> JobServiceClient<Channel> {
        JobServiceClient::new(self.channel())
    }

    fn channel(&self) -> Channel {
        let address = format!("http://{}", self.rt.address("grpc").unwrap());
        Channel::from_shared(address).unwrap().connect_lazy()
    }

    /// A clean stop leaves no task behind.
    pub(crate) async fn stop(self) {
        assert!(self.rt.stop(Duration::ZERO, PATIENCE).await);
    }
}

impl Victim {
    /// As `kill -9`: nothing is finished, nothing is said.
    pub(crate) fn kill(self) {
        self.executor.shutdown_background();
    }
}

pub(crate) fn id() -> Uuid {
    RandomIds.uuid7()
}

pub(crate) fn device() -> DeviceId {
    DeviceId::from_uuid(id())
}

pub(crate) fn now() -> OffsetDateTime {
    SystemClock.now()
}

/// A reading of a device that numbers its messages; it was measured `sequence` seconds after an
/// hour ago.
pub(crate) fn record(tenant: TenantId, device: DeviceId, sequence: i64) -> TelemetryRecord {
    let hour_ago = now().replace_nanosecond(0).unwrap() - time::Duration::hours(1);
    at(tenant, device, sequence, hour_ago + time::Duration::seconds(sequence % 3_000))
}

pub(crate) fn at(
    tenant: TenantId,
    device: DeviceId,
    sequence: i64,
    occurred_at: OffsetDateTime,
) -> TelemetryRecord {
    TelemetryRecord {
        message_id: Uuid::new_v5(&device.uuid(), format!("e1:s{sequence}").as_bytes()).to_string(),
        tenant_id: tenant.to_string(),
        device_id: device.to_string(),
        occurred_at: Some(values::timestamp(occurred_at)),
        received_at: Some(values::timestamp(now())),
        epoch: 1,
        sequence,
        values_json: json!({"temperature": 20.5, "sequence": sequence}).to_string(),
        receipt_requested: false,
    }
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
