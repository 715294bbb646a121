//! A running service with its servers, two tenants and a stand-in for auth.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use device_ingest::{Config, DEFAULT_CONFIG};
use serde_json::{Value, json};
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};
use yard_authn::{Claims, Signer, permissions_of};
use yard_contracts::command::v1::command_service_client::CommandServiceClient;
use yard_contracts::device::v1::contract_service_client::ContractServiceClient;
use yard_contracts::device::v1::device_service_client::DeviceServiceClient;
use yard_contracts::device::v1::{
    CommandKind, Contract, CreateContractRequest, CreateDeviceRequest, Device, Metric,
};
use yard_contracts::identity::v1 as identity;
use yard_contracts::identity::v1::enrollment_service_server::{
    EnrollmentService, EnrollmentServiceServer,
};
use yard_contracts::values::to_struct;
use yard_fault::{Code, Fault};
use yard_ids::{Clock as _, DeviceId, IdSource as _, RandomIds, SystemClock, TenantId};
use yard_messaging::NatsConfig;
use yard_runtime::{Runtime, RuntimeConfig, TaskKind, config};
use yard_testkit::logs::{self, LogCapture};
use yard_testkit::{ChaosProxy, TestBroker, TestDb, TestFolder, TestNats};

/// Long enough for a busy machine; nothing waits for it when all is well.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) const PERSON: &str = "0190a6f2-7c2a-7b52-9c11-00000000aaaa";

/// The servers of one test. They outlive the service, which may be stopped and started.
pub(crate) struct World {
    pub(crate) db: TestDb,
    pub(crate) nats: TestNats,
    pub(crate) nats_line: ChaosProxy,
    pub(crate) db_line: ChaosProxy,
    pub(crate) broker: TestBroker,
    pub(crate) pki: TestFolder,
    pub(crate) auth: StandIn,
    auth_address: SocketAddr,
    issuer: Signer,
    pub(crate) tenant: TenantId,
    pub(crate) other: TenantId,
    /// Last, so that it still listens while the rest ends.
    pub(crate) log: LogCapture,
}

/// A running device-ingest.
pub(crate) struct Service {
    pub(crate) runtime: Runtime,
    channel: Channel,
}

/// auth, as far as device-ingest asks it.
#[derive(Clone, Default)]
pub(crate) struct StandIn {
    pub(crate) registered: Arc<Mutex<Vec<identity::RegisterDeviceRequest>>>,
    pub(crate) expected: Arc<Mutex<Vec<identity::RegisteredDevice>>>,
    /// What it says to many devices instead.
    pub(crate) refuses: Arc<Mutex<Option<Code>>>,
}

#[tonic::async_trait]
impl EnrollmentService for StandIn {
    async fn create_claim_code(
        &self,
        _: Request<identity::CreateClaimCodeRequest>,
    ) -> Result<Response<identity::ClaimCode>, Status> {
        Err(Status::unimplemented("not asked"))
    }

    async fn enroll_device(
        &self,
        _: Request<identity::EnrollDeviceRequest>,
    ) -> Result<Response<identity::EnrollDeviceResponse>, Status> {
        Err(Status::unimplemented("not asked"))
    }

    async fn list_device_certificates(
        &self,
        _: Request<identity::ListDeviceCertificatesRequest>,
    ) -> Result<Response<identity::ListDeviceCertificatesResponse>, Status> {
        Err(Status::unimplemented("not asked"))
    }

    async fn revoke_certificate(
        &self,
        _: Request<identity::RevokeCertificateRequest>,
    ) -> Result<Response<identity::DeviceCertificate>, Status> {
        Err(Status::unimplemented("not asked"))
    }

    async fn register_device(
        &self,
        request: Request<identity::RegisterDeviceRequest>,
    ) -> Result<Response<identity::RegisterDeviceResponse>, Status> {
        self.registered.lock().unwrap().push(request.into_inner());
        Ok(Response::new(identity::RegisterDeviceResponse {}))
    }

    async fn register_devices(
        &self,
        request: Request<identity::RegisterDevicesRequest>,
    ) -> Result<Response<identity::RegisterDevicesResponse>, Status> {
        if let Some(code) = *self.refuses.lock().unwrap() {
            return Err(Fault::new(code).to_status(""));
        }
        self.expected.lock().unwrap().extend(request.into_inner().devices);
        Ok(Response::new(identity::RegisterDevicesResponse {}))
    }
}

fn issuer(pki: &Path) -> Signer {
    let trust: Value =
        serde_json::from_slice(&std::fs::read(pki.join("trust.json")).unwrap()).unwrap();
    let kids = trust["keys"].as_array().unwrap().iter().filter_map(|key| key["kid"].as_str());
    let kid = kids.clone().find(|kid| kid.starts_with("issuer:")).unwrap();
    Signer::from_file(&pki.join("auth-issuer.key"), kid).unwrap()
}

/// `scheme://user:password@host:port/…` with another host and port.
fn through(url: &str, proxy: &ChaosProxy) -> String {
    let (user, rest) = url.rsplit_once('@').unwrap();
    let path = rest.split_once('/').map_or(String::new(), |(_, path)| format!("/{path}"));
    format!("{user}@{}{path}", proxy.addr())
}

fn address(url: &str) -> SocketAddr {
    let host = url.rsplit_once('@').unwrap().1.split('/').next().unwrap();
    host.replace("localhost", "127.0.0.1").parse().unwrap()
}

async fn stand_in(auth: &StandIn) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Routes::new(EnrollmentServiceServer::new(auth.clone()));
    let runtime = Runtime::builder("auth", "0").build();
    runtime.tasks().spawn(TaskKind::Background, "stand-in", async move {
        let incoming = TcpIncoming::from(listener);
        Ok(Server::builder().add_routes(routes).serve_with_incoming(incoming).await?)
    });
    address
}

impl World {
    pub(crate) async fn start() -> Self {
        let log = logs::capture();
        yard_runtime::install_crypto_provider();
        let pki = TestFolder::new("ingest");
        yard::pki::generate("localhost", &SystemClock).unwrap().write(&pki, false).unwrap();
        let (db, nats) = (TestDb::create().await, TestNats::start().await);
        let broker = TestBroker::start(&pki).await;
        let auth = StandIn::default();
        let [tenant, other] = ["first", "second"].map(|_| TenantId::from_uuid(RandomIds.uuid7()));
        db.tenant(tenant, "first").await;
        db.tenant(other, "second").await;
        Self {
            nats_line: ChaosProxy::start(address(&nats.url())).unwrap(),
            db_line: ChaosProxy::start(address(&db.url("yard_ingest"))).unwrap(),
            issuer: issuer(&pki),
            auth_address: stand_in(&auth).await,
            db,
            nats,
            broker,
            pki,
            auth,
            tenant,
            other,
            log,
        }
    }

    pub(crate) fn config(&self) -> Config {
        let mut config: Config = config::load(
            "device-ingest",
            &DEFAULT_CONFIG.replace("url = \"\"", "url = \"nats://127.0.0.1:1\""),
            None,
        )
        .unwrap();
        config.runtime = RuntimeConfig::for_test();
        config.grpc.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.postgres = self.db.config("yard_ingest");
        config.postgres.url =
            yard_runtime::Secret::new(through(&self.db.url("yard_ingest"), &self.db_line));
        config.postgres.acquire_timeout = Duration::from_secs(4);
        config.postgres.max_connections = 8;
        config.nats = NatsConfig::for_test(&through(&self.nats.url(), &self.nats_line));
        config.identity.key_file = self.pki.join("services/device-ingest.key");
        config.identity.trust_file = self.pki.join("trust.json");
        config.auth.endpoint = format!("http://{}", self.auth_address);
        config.mqtt.port = self.broker.port();
        config.mqtt.ca_file = self.pki.join("device-ca.pem");
        config.mqtt.cert_file = self.pki.join("mqtt-device-ingest.pem");
        config.mqtt.key_file = self.pki.join("mqtt-device-ingest.key");
        config.commands.sweep_interval = Duration::from_millis(100);
        config.commands.resend_after = Duration::from_millis(50);
        config.presence.lease = Duration::from_secs(1);
        config.presence.flush_interval = Duration::from_millis(100);
        config
    }

    /// Starts the service and waits until messages flow.
    pub(crate) async fn service(&self) -> Service {
        self.service_with(self.config()).await
    }

    /// As [`World::service`], told something else.
    pub(crate) async fn service_with(&self, config: Config) -> Service {
        let runtime = Runtime::builder("device-ingest", "0").build();
        device_ingest::run(config, runtime.clone()).await.unwrap();
        let address = runtime.address("grpc").unwrap();
        let channel =
            Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        let service = Service { runtime, channel };
        service.ready().await;
        service
    }

    /// A token of a role in a tenant.
    pub(crate) fn token(&self, tenant: TenantId, role: &str) -> String {
        let mut claims = Claims::of_service("auth", RandomIds.uuid7(), SystemClock.now());
        claims.sub = format!("person:{PERSON}");
        claims.tenant = Some(tenant);
        claims.role = role.to_owned();
        claims.permissions = permissions_of(role).iter().map(|&p| p.to_owned()).collect();
        self.issuer.sign(&claims).unwrap()
    }

    /// A request of the first tenant's owner.
    pub(crate) fn own<T>(&self, message: T) -> Request<T> {
        self.by(self.tenant, "owner", message)
    }

    pub(crate) fn by<T>(&self, tenant: TenantId, role: &str, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let bearer = format!("Bearer {}", self.token(tenant, role));
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        request
    }

    /// Messages in a stream.
    pub(crate) async fn stored(&self, stream: &str) -> u64 {
        let jetstream = async_nats::jetstream::new(self.nats.client().await);
        jetstream.get_stream(stream).await.unwrap().cached_info().state.messages
    }

    /// A device of the first tenant, with its contract.
    pub(crate) async fn device(&self, service: &Service) -> DeviceId {
        let contract = self.contract(service).await;
        self.device_of(service, &contract, "pump").await.device_id.parse().unwrap()
    }

    pub(crate) async fn contract(&self, service: &Service) -> Contract {
        service.contracts().create_contract(self.own(contract())).await.unwrap().into_inner()
    }

    pub(crate) async fn device_of(
        &self,
        service: &Service,
        contract: &Contract,
        name: &str,
    ) -> Device {
        let request = device_request(contract, name);
        service.devices().create_device(self.own(request)).await.unwrap().into_inner()
    }
}

/// A device of a contract.
pub(crate) fn device_request(contract: &Contract, name: &str) -> CreateDeviceRequest {
    CreateDeviceRequest {
        name: name.to_owned(),
        contract_id: contract.contract_id.clone(),
        ..CreateDeviceRequest::default()
    }
}

/// With an idempotency key.
pub(crate) fn keyed<T>(mut request: Request<T>, key: &str) -> Request<T> {
    request.metadata_mut().insert("idempotency-key", key.parse().unwrap());
    request
}

pub(crate) fn object(json: Value) -> prost_types::Struct {
    let Value::Object(object) = json else { unreachable!("an object is given") };
    to_struct(object)
}

pub(crate) fn contract() -> CreateContractRequest {
    CreateContractRequest {
        name: "pump".to_owned(),
        version: 1,
        telemetry_schema: Some(object(json!({
            "type": "object",
            "properties": {"flow": {"type": "number", "minimum": 0, "maximum": 1_000}},
            "required": ["flow"],
            "additionalProperties": false,
        }))),
        metrics: vec![Metric {
            key: "flow".to_owned(),
            label: "Flow".to_owned(),
            unit: "L/s".to_owned(),
        }],
        commands: vec![CommandKind {
            name: "set_valve".to_owned(),
            label: "Set the valve".to_owned(),
            arguments_schema: Some(object(json!({
                "type": "object",
                "properties": {"open": {"type": "boolean"}},
                "required": ["open"],
                "additionalProperties": false,
            }))),
        }],
    }
}

impl Service {
    pub(crate) fn devices(&self) -> DeviceServiceClient<Channel> {
        DeviceServiceClient::new(self.channel.clone())
    }

    pub(crate) fn contracts(&self) -> ContractServiceClient<Channel> {
        ContractServiceClient::new(self.channel.clone())
    }

    pub(crate) fn commands(&self) -> CommandServiceClient<Channel> {
        CommandServiceClient::new(self.channel.clone())
    }

    /// Waits until every check is well.
    pub(crate) async fn ready(&self) {
        yard_testkit::eventually(SOON, || async { self.runtime.health().is_ready().await }).await;
    }

    /// Stops it as a deployment would.
    pub(crate) async fn stop(self) -> bool {
        self.runtime.stop(Duration::ZERO, Duration::from_secs(10)).await
    }

    /// Stops it while nothing can be finished.
    pub(crate) async fn abandon(self) {
        self.runtime.stop(Duration::ZERO, Duration::from_millis(300)).await;
    }
}
