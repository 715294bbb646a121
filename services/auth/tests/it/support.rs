use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use auth::{
    AuditConfig, Config, DeviceCaConfig, EstConfig, FactorsConfig, FederationConfig, IssuerConfig,
    KeysConfig, ListenConfig, MailConfig, MqttConfig, PasskeysConfig, RadiusConfig, RedisConfig,
    RegistrationConfig, SealingConfig, SessionsConfig, ThrottleConfig,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ED25519,
};
use time::OffsetDateTime;
use time::macros::datetime;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use yard_authn::revocations::{self, Need};
use yard_authn::{Claims, IdentityConfig, Signer, Verifier};
use yard_contracts::audit::v1::audit_service_client::AuditServiceClient;
use yard_contracts::guard::v1::ban_service_client::BanServiceClient;
use yard_contracts::guard::v1::guard_service_client::GuardServiceClient;
use yard_contracts::guard::v1::maintenance_service_client::MaintenanceServiceClient;
use yard_contracts::identity::v1::api_token_service_client::ApiTokenServiceClient;
use yard_contracts::identity::v1::device_trust_service_client::DeviceTrustServiceClient;
use yard_contracts::identity::v1::enrollment_service_client::EnrollmentServiceClient;
use yard_contracts::identity::v1::factor_service_client::FactorServiceClient;
use yard_contracts::identity::v1::key_service_client::KeyServiceClient;
use yard_contracts::identity::v1::passkey_service_client::PasskeyServiceClient;
use yard_contracts::identity::v1::people_service_client::PeopleServiceClient;
use yard_contracts::identity::v1::session_service_client::SessionServiceClient;
use yard_contracts::identity::v1::{ExchangeSessionRequest, LoginRequest, SessionDelivery};
use yard_contracts::tenancy::v1::organization_service_client::OrganizationServiceClient;
use yard_fault::{Code, Fault};
use yard_ids::{Clock as _, IdSource as _, ManualClock, RandomIds, TenantId};
use yard_messaging::{Nats, NatsConfig};
use yard_migrations::bootstrap::{self, Bootstrap, Person, Tenant};
use yard_runtime::{Runtime, RuntimeConfig, Secret};
use yard_testkit::{CONSOLE, TestDb, TestFolder, TestMail, TestNats, TestRedis, eventually};

pub(crate) const START: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);
pub(crate) const PASSWORD: &str = "correct horse battery";
/// Where the platform is reached, as OAuth clients know it.
pub(crate) const ISSUER: &str = "https://yard.example";
const KEYS: [&str; 4] = ["auth", "api-gateway", "device-ingest", "issuer"];

/// A running auth with two tenants: acme (owner, operator, viewer) and byte (owner); `both` is in
/// both, `root` runs the platform.
pub(crate) struct Auth {
    pub(crate) db: TestDb,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) folder: TestFolder,
    runtime: Runtime,
    channel: Channel,
    pub(crate) nats: TestNats,
    redis: TestRedis,
}

impl Auth {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_config| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let fill = async |url: String| {
            bootstrap::apply(&url, &first_people(), &RandomIds).await.unwrap();
        };
        let db = TestDb::filled("first_people", fill).await;
        let (redis, nats) = (TestRedis::create().await, TestNats::start().await);
        let folder = TestFolder::new("auth");
        make_keys(&folder);
        let clock = Arc::new(ManualClock::new(START));
        let auth = Self::over(Engines { db, redis, nats, folder, clock }, change).await.unwrap();
        // That the first people came in is a change of theirs: it voids tokens made before it is told.
        auth.told().await;
        auth
    }

    /// With a mail server that keeps what it gets.
    pub(crate) async fn start_with_mail() -> (Self, TestMail) {
        let mail = TestMail::start().await;
        let url = plain_smtp(&mail);
        let auth = Self::start_with(|config| config.mail.smtp_url = url).await;
        (auth, mail)
    }

    /// Stops it, gives `meanwhile` the engines, and starts it again on them.
    pub(crate) async fn restart_with(
        self,
        meanwhile: impl AsyncFnOnce(&Engines),
    ) -> anyhow::Result<Self> {
        // A start holds large things meanwhile.
        Box::pin(self.restart_told(meanwhile, |_config| {})).await
    }

    /// As [`Self::restart_with`], told something else.
    pub(crate) async fn restart_told(
        self,
        meanwhile: impl AsyncFnOnce(&Engines),
        change: impl FnOnce(&mut Config),
    ) -> anyhow::Result<Self> {
        let engines = self.stop().await;
        meanwhile(&engines).await;
        Self::over(engines, change).await
    }

    pub(crate) async fn stop(self) -> Engines {
        assert!(self.runtime.stop(Duration::ZERO, Duration::from_secs(10)).await);
        let Self { db, clock, folder, nats, redis, .. } = self;
        Engines { db, redis, nats, folder, clock }
    }

    async fn over(engines: Engines, change: impl FnOnce(&mut Config)) -> anyhow::Result<Self> {
        let Engines { db, redis, nats, folder, clock } = engines;
        let runtime = Runtime::builder("auth", "0.0.0").clock(clock.clone()).build();
        let mut config = config(&db, redis.url(), &nats, &folder);
        change(&mut config);
        auth::run(config, runtime.clone()).await?;
        let grpc = runtime.address("grpc").unwrap();
        let channel = Channel::from_shared(format!("http://{grpc}")).unwrap().connect_lazy();
        Ok(Self { db, clock, folder, runtime, channel, nats, redis })
    }

    pub(crate) fn sessions(&self) -> SessionServiceClient<Channel> {
        SessionServiceClient::new(self.channel.clone())
    }

    pub(crate) fn audit(&self) -> AuditServiceClient<Channel> {
        AuditServiceClient::new(self.channel.clone())
    }

    pub(crate) fn people(&self) -> PeopleServiceClient<Channel> {
        PeopleServiceClient::new(self.channel.clone())
    }

    /// For the clients of other services of auth.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(crate) fn tokens(&self) -> ApiTokenServiceClient<Channel> {
        ApiTokenServiceClient::new(self.channel.clone())
    }

    pub(crate) fn factors(&self) -> FactorServiceClient<Channel> {
        FactorServiceClient::new(self.channel.clone())
    }

    pub(crate) fn passkeys(&self) -> PasskeyServiceClient<Channel> {
        PasskeyServiceClient::new(self.channel.clone())
    }

    pub(crate) fn organization(&self) -> OrganizationServiceClient<Channel> {
        OrganizationServiceClient::new(self.channel.clone())
    }

    pub(crate) fn keys(&self) -> KeyServiceClient<Channel> {
        KeyServiceClient::new(self.channel.clone())
    }

    /// Waits until whatever has ended so far is told: tokens that are made after are good.
    pub(crate) async fn told(&self) {
        let left = "select count(*) from platform.revocations where stream_sequence is null";
        eventually(Duration::from_secs(20), async || self.db.sql(left).await.trim() == "0").await;
    }

    /// What another service believes of tokens, by the feed.
    pub(crate) async fn follower(&self) -> Verifier {
        let runtime = Runtime::builder("worker", "0.0.0").clock(self.clock.clone()).build();
        let nats = Nats::connect(&NatsConfig::for_test(&self.nats.url()), &runtime).await.unwrap();
        let trust = self.folder.join("trust.json");
        let verifier = Verifier::from_file(&trust, self.clock.clone()).unwrap();
        revocations::follow(&runtime, &nats, &verifier, Need::Advice).await.unwrap();
        verifier
    }

    pub(crate) fn bans(&self) -> BanServiceClient<Channel> {
        BanServiceClient::new(self.channel.clone())
    }

    pub(crate) fn maintenance(&self) -> MaintenanceServiceClient<Channel> {
        MaintenanceServiceClient::new(self.channel.clone())
    }

    pub(crate) fn guard(&self) -> GuardServiceClient<Channel> {
        GuardServiceClient::new(self.channel.clone())
    }

    pub(crate) fn enrolment(&self) -> EnrollmentServiceClient<Channel> {
        EnrollmentServiceClient::new(self.channel.clone())
    }

    pub(crate) fn trust(&self) -> DeviceTrustServiceClient<Channel> {
        DeviceTrustServiceClient::new(self.channel.clone())
    }

    /// Where one of its listeners is.
    pub(crate) fn address(&self, listener: &str) -> SocketAddr {
        self.runtime.address(listener).unwrap()
    }

    pub(crate) fn http(&self, path: &str) -> String {
        format!("http://{}{path}", self.runtime.address("http").unwrap())
    }

    /// The EST listener, under the name in its certificate.
    pub(crate) fn est(&self, operation: &str) -> String {
        let port = self.runtime.address("est").unwrap().port();
        format!("https://localhost:{port}/.well-known/est/{operation}")
    }

    pub(crate) async fn get(&self, path: &str) -> String {
        let answer = reqwest::get(self.http(path)).await.unwrap();
        answer.error_for_status().unwrap().text().await.unwrap()
    }

    /// A service's own token of this moment.
    pub(crate) fn service_token(&self, name: &str) -> String {
        let key = self.folder.join(format!("{name}.key"));
        let signer = Signer::from_file(&key, &format!("service:{name}")).unwrap();
        signer.sign(&Claims::of_service(name, RandomIds.uuid7(), self.clock.now())).unwrap()
    }

    /// Signs in and returns the session token.
    pub(crate) async fn session(&self, email: &str, tenant: &str) -> String {
        let answer = self.sessions().login(credentials(email, PASSWORD, tenant)).await.unwrap();
        answer.into_inner().session_token
    }

    /// What the gateway does with a session.
    pub(crate) async fn exchange(&self, session: &str) -> Result<String, Status> {
        let request = ExchangeSessionRequest { session_token: session.to_owned() };
        let request = bearer(request, &self.service_token("api-gateway"));
        Ok(self.sessions().exchange_session(request).await?.into_inner().access_token)
    }

    /// Signs in and returns the access token.
    pub(crate) async fn access(&self, email: &str, tenant: &str) -> String {
        self.exchange(&self.session(email, tenant).await).await.unwrap()
    }

    /// Reads an access token as any other service would.
    pub(crate) fn claims(&self, token: &str) -> Claims {
        let trust = self.folder.join("trust.json");
        Verifier::from_file(&trust, self.clock.clone()).unwrap().verify(token).unwrap()
    }

    pub(crate) async fn tenant(&self, slug: &str) -> TenantId {
        let query = format!("select id from platform.tenants where slug = '{slug}'");
        self.db.sql(&query).await.trim().parse().unwrap()
    }

    /// Stops it and sees that no task failed or was left behind.
    pub(crate) async fn finish(self) {
        assert!(self.runtime.stop(Duration::ZERO, Duration::from_secs(10)).await);
    }
}

/// What outlives a service.
pub(crate) struct Engines {
    pub(crate) db: TestDb,
    redis: TestRedis,
    nats: TestNats,
    pub(crate) folder: TestFolder,
    clock: Arc<ManualClock>,
}

/// The URL of a mail server without TLS.
pub(crate) fn plain_smtp(mail: &TestMail) -> Secret {
    Secret::new(format!("smtp+plain://127.0.0.1:{}", mail.port()))
}

impl Engines {
    /// Why it does not start, told so.
    pub(crate) async fn refusal(&self, change: impl FnOnce(&mut Config)) -> String {
        let Self { db, redis, nats, folder, clock } = self;
        let runtime = Runtime::builder("auth", "0.0.0").clock(clock.clone()).build();
        let mut config = config(db, redis.url(), nats, folder);
        change(&mut config);
        let refused = auth::run(config, runtime.clone()).await.unwrap_err();
        assert!(runtime.stop(Duration::ZERO, Duration::from_secs(10)).await);
        format!("{refused:#}")
    }
}

pub(crate) fn bearer<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

pub(crate) fn credentials(email: &str, password: &str, tenant: &str) -> LoginRequest {
    LoginRequest {
        email: email.to_owned(),
        password: password.to_owned(),
        tenant: tenant.to_owned(),
        delivery: SessionDelivery::Token.into(),
    }
}

pub(crate) fn code<T>(answer: Result<Response<T>, Status>) -> Option<Code> {
    answer.err().map(|status| Fault::from_status(&status).code())
}

fn person(name: &str, role: &str) -> Person {
    Person {
        email: format!("{name}@example.org"),
        display_name: name.to_owned(),
        password: PASSWORD.to_owned(),
        role: role.to_owned(),
    }
}

fn first_people() -> Bootstrap {
    let tenant = |slug: &str, people: Vec<Person>| Tenant {
        slug: slug.to_owned(),
        name: slug.to_uppercase(),
        people,
    };
    let acme = vec![
        person("owner", "owner"),
        person("operator", "operator"),
        person("viewer", "viewer"),
        person("both", "operator"),
    ];
    let byte = vec![person("bob", "owner"), person("both", "viewer")];
    Bootstrap {
        tenants: vec![tenant("acme", acme), tenant("byte", byte)],
        system_administrators: vec![person("root", "")],
    }
}

/// The files that `yard pki init` makes, as far as auth reads them.
fn make_keys(folder: &Path) {
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    let mut keys = Vec::new();
    for name in KEYS {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        write(&format!("{name}.key"), key.serialize_pem());
        let kid = match name {
            "issuer" => "issuer:of-a-test".to_owned(),
            service => format!("service:{service}"),
        };
        let x = URL_SAFE_NO_PAD.encode(key.public_key_raw());
        keys.push(serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid}));
    }
    write("audit-root.key", KeyPair::generate_for(&PKCS_ED25519).unwrap().serialize_pem());
    write("sealing.key", format!("k1:{}\n", STANDARD.encode([7; 32])));
    write("trust.json", serde_json::json!({ "keys": keys }).to_string());
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "device CA of a test");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    write("device-ca.pem", ca.self_signed(&key).unwrap().pem());
    let listener = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let names = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let issuer = Issuer::from_params(&ca, &key);
    write("est.pem", names.signed_by(&listener, &issuer).unwrap().pem());
    write("est.key", listener.serialize_pem());
    write("device-ca.key", key.serialize_pem());
}

fn config(db: &TestDb, redis: &str, nats: &TestNats, folder: &Path) -> Config {
    let any = || ListenConfig { listen: SocketAddr::from(([127, 0, 0, 1], 0)) };
    let file = |name: &str| folder.join(name);
    Config {
        runtime: RuntimeConfig::for_test(),
        grpc: any(),
        http: any(),
        postgres: db.config("yard_auth"),
        redis: RedisConfig::for_test(redis),
        identity: IdentityConfig { key_file: file("auth.key"), trust_file: file("trust.json") },
        nats: NatsConfig::for_test(&nats.url()),
        sealing: SealingConfig { key_file: file("sealing.key") },
        audit: AuditConfig {
            root_key_file: file("audit-root.key"),
            root_interval: Duration::from_millis(200),
            retention: Duration::ZERO,
        },
        issuer: IssuerConfig { key_file: file("issuer.key"), public_url: ISSUER.to_owned() },
        keys: KeysConfig {
            rotate_every: Duration::from_secs(30 * 86_400),
            publish_for: Duration::from_secs(1_200),
            retire_for: Duration::from_secs(900),
        },
        device_ca: DeviceCaConfig {
            cert_file: file("device-ca.pem"),
            key_file: file("device-ca.key"),
            next_cert_file: PathBuf::new(),
            next_key_file: PathBuf::new(),
            previous_cert_file: PathBuf::new(),
            previous_key_file: PathBuf::new(),
            abandoned: Vec::new(),
            crl_file: file("crl.pem"),
            trust_domain: "switchyard".to_owned(),
            crl_url: String::new(),
        },
        est: EstConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            cert_file: file("est.pem"),
            key_file: file("est.key"),
        },
        mqtt: MqttConfig { host: "broker.test".to_owned(), port: 18_883 },
        sessions: SessionsConfig {
            lifetime: Duration::from_secs(3_600),
            idle: Duration::from_secs(3_600),
            hashing_threads: 2,
            hashing_queue: 16,
        },
        throttle: throttle(),
        factors: FactorsConfig { issuer: "Test".to_owned() },
        federation: FederationConfig::default(),
        passkeys: PasskeysConfig::default(),
        mail: mail(),
        registration: RegistrationConfig {
            open: false,
            plan: "trial".to_owned(),
            asked_per_day: 100,
            asked_per_network: 3,
            made_per_day: 100,
        },
        radius: RadiusConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            token_file: PathBuf::new(),
            attempts_burst: 20,
            attempts_interval: Duration::from_secs(10),
        },
    }
}

/// No mail server; tests that need one name theirs.
fn mail() -> MailConfig {
    MailConfig {
        smtp_url: Secret::default(),
        smtp_url_file: PathBuf::new(),
        ca_file: PathBuf::new(),
        from: "Switchyard <no-reply@yard.test>".to_owned(),
        console_url: CONSOLE.to_owned(),
        locale: "en".to_owned(),
        timeout: Duration::from_secs(5),
    }
}

fn throttle() -> ThrottleConfig {
    ThrottleConfig {
        pair_burst: 5,
        pair_interval: Duration::from_secs(300),
        account_burst: 8,
        account_interval: Duration::from_secs(300),
        source_burst: 12,
        source_interval: Duration::from_secs(300),
        factor_burst: 3,
        factor_interval: Duration::from_secs(300),
        factor_account_burst: 6,
        factor_account_interval: Duration::from_secs(300),
    }
}
