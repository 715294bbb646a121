//! The six services in this process, on real PostgreSQL, Redis, NATS and Mosquitto.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use yard::broker::{Agent, Authority, BrokerProcess, Settings as AgentSettings};
use yard_authn::{Claims, Signer};
use yard_ids::{Clock as _, IdSource as _, RandomIds, SystemClock};
use yard_migrations::bootstrap::{self, Bootstrap, Person, Tenant};
use yard_runtime::config::load_over;
use yard_runtime::{Runtime, TaskKind};
use yard_testkit::{CONSOLE, TestBroker, TestDb, TestMail, TestNats, TestRedis};

use crate::client::Client;
use crate::device::{self, Enrolled};

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery staple";

/// As `yard broker-agent` does by default.
const AGENT_LOOKS_EVERY: Duration = Duration::from_millis(500);

const OWNERS: [&str; 6] =
    ["auth", "device-ingest", "worker", "scheduler", "comms-websocket", "api-gateway"];

/// Everything, running. Call [`Platform::stop`] at the end.
pub struct Platform {
    runtimes: Vec<(&'static str, Runtime)>,
    pki: PathBuf,
    broker: TestBroker,
    mail: TestMail,
    // Held so that they outlive the services.
    db: TestDb,
    nats: TestNats,
    _redis: TestRedis,
    _folder: Arc<tempfile::TempDir>,
}

/// What the services are told.
struct Places {
    db: TestDb,
    nats: TestNats,
    redis: TestRedis,
    broker: TestBroker,
    mail: TestMail,
    folder: Arc<tempfile::TempDir>,
    pki: PathBuf,
    /// The gateway's, chosen before it starts: auth has to know what the platform is called outside.
    port: u16,
    special: Special,
}

/// In what a platform differs from the usual one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Special {
    Nothing,
    TwoAuthorities,
    ManySignIns,
}

impl Platform {
    /// Starts the engines and the services, with tenants `a` and `b` and a system administrator.
    ///
    /// # Errors
    /// At the first thing that does not start.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(TestDb::create().await, Special::Nothing).await
    }

    /// As [`Platform::start`], where nobody signs in too often: for a benchmark of what lies behind
    /// the limits.
    ///
    /// # Errors
    /// At the first thing that does not start.
    pub async fn start_for_benchmark() -> anyhow::Result<Self> {
        Self::start_with(TestDb::create().await, Special::ManySignIns).await
    }

    /// As [`Platform::start`], with every service's database behind a PgBouncer in transaction mode
    /// that opens `connections` for each role.
    ///
    /// # Errors
    /// At the first thing that does not start.
    pub async fn start_behind_pooler(connections: u16) -> anyhow::Result<Self> {
        Self::start_with(TestDb::behind_pooler(connections).await, Special::Nothing).await
    }

    /// As [`Platform::start`], while another device CA takes over: `device-ca-next` signs, that of
    /// `yard pki init` is retiring, and everybody trusts both.
    ///
    /// # Errors
    /// At the first thing that does not start.
    pub async fn start_with_two_authorities() -> anyhow::Result<Self> {
        Self::start_with(TestDb::create().await, Special::TwoAuthorities).await
    }

    async fn start_with(db: TestDb, special: Special) -> anyhow::Result<Self> {
        let folder = Arc::new(tempfile::tempdir()?);
        let pki = folder.path().join("pki");
        yard::pki::generate("localhost", &SystemClock)?.write(&pki, false)?;
        if special == Special::TwoAuthorities {
            begin_rotation(&pki)?;
        }
        let places = Places {
            db,
            nats: TestNats::start().await,
            redis: TestRedis::create().await,
            broker: TestBroker::start(&pki).await,
            mail: TestMail::start().await,
            folder,
            pki,
            port: free_port()?,
            special,
        };
        bootstrap::apply(&places.db.admin_url(), &people(), &RandomIds).await?;
        // The configurations that a start holds meanwhile are large.
        let mut runtimes = Box::pin(start_services(&places)).await?;
        runtimes.push(("broker-agent", start_agent(&places, &runtimes)?));
        let Places { db, nats, redis, broker, mail, folder, pki, .. } = places;
        let platform =
            Self { runtimes, pki, broker, mail, db, nats, _redis: redis, _folder: folder };
        platform.await_answer().await?;
        Ok(platform)
    }

    /// The gateway's address.
    #[must_use]
    pub fn base_url(&self) -> String {
        let at = self.runtime("api-gateway").address("http");
        format!("http://{}", at.expect("the gateway has bound its listener"))
    }

    /// The port of a service's gRPC listener.
    #[must_use]
    pub fn grpc_port(&self, service: &str) -> Option<u16> {
        self.runtime(service).address("grpc").map(|at| at.port())
    }

    /// The broker devices connect to.
    #[must_use]
    pub const fn broker(&self) -> &TestBroker {
        &self.broker
    }

    /// The mail server that auth sends to.
    #[must_use]
    pub const fn mail(&self) -> &TestMail {
        &self.mail
    }

    /// A file of the installation's keys.
    #[must_use]
    pub fn pki(&self, name: &str) -> PathBuf {
        self.pki.join(name)
    }

    /// The bus between the services.
    #[must_use]
    pub const fn nats(&self) -> &TestNats {
        &self.nats
    }

    /// The database behind it.
    #[must_use]
    pub const fn db(&self) -> &TestDb {
        &self.db
    }

    /// An access token of a person with every permission, as auth would sign it.
    ///
    /// # Errors
    /// When the issuer's key cannot be read.
    pub fn person_token(&self) -> anyhow::Result<String> {
        let trust = std::fs::read_to_string(self.pki.join("trust.json"))?;
        let trust: serde_json::Value = serde_json::from_str(&trust)?;
        let kids = trust.get("keys").and_then(|k| k.as_array()).context("keys")?;
        let issuer = kids
            .iter()
            .filter_map(|key| key.get("kid")?.as_str())
            .find(|kid| kid.starts_with("issuer:"))
            .context("the issuer's key")?;
        let signer = Signer::from_file(&self.pki.join("auth-issuer.key"), issuer)
            .map_err(anyhow::Error::msg)?;
        let mut claims = Claims::of_service("auth", RandomIds.uuid7(), SystemClock.now());
        claims.sub = format!("person:{}", RandomIds.uuid7());
        claims.permissions = yard_authn::TENANT_PERMISSIONS.map(str::to_owned).to_vec();
        Ok(signer.sign(&claims)?)
    }

    /// Gives a device a certificate, as its owner and the device would.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn enroll(&self, owner: &Client, device: &str) -> anyhow::Result<Enrolled> {
        device::enroll(owner, device).await
    }

    /// Publishes one reading as the device.
    ///
    /// # Errors
    /// When the broker does not take it.
    pub async fn publish_reading(
        &self,
        device: &str,
        enrolled: &Enrolled,
        note: &str,
    ) -> anyhow::Result<()> {
        device::publish_reading(self.broker.port(), device, enrolled, note).await
    }

    /// Stops every service and waits for its tasks.
    pub async fn stop(self) {
        for (_, runtime) in self.runtimes.iter().rev() {
            runtime.stop(Duration::ZERO, Duration::from_secs(10)).await;
        }
    }

    fn runtime(&self, service: &str) -> &Runtime {
        let found = self.runtimes.iter().find(|(name, _)| *name == service);
        &found.expect("all six services run").1
    }

    /// The gateway answers a sign-in page's first question once auth does.
    async fn await_answer(&self) -> anyhow::Result<()> {
        let nobody = Client::anonymous(&self.base_url())?;
        yard_testkit::eventually(Duration::from_secs(20), || async {
            let answer = nobody.call("GET", "/.well-known/jwks.json", None).await;
            answer.is_ok_and(|answer| answer.status == 200)
        })
        .await;
        Ok(())
    }
}

async fn start_services(places: &Places) -> anyhow::Result<Vec<(&'static str, Runtime)>> {
    let runtimes: Vec<_> =
        OWNERS.into_iter().map(|name| (name, Runtime::builder(name, "test").build())).collect();
    let runtime = |name: &str| {
        let found = runtimes.iter().find(|(owner, _)| *owner == name);
        found.expect("made above").1.clone()
    };
    let port = |name: &str| {
        let at = runtime(name).address("grpc").expect("started before");
        format!("http://{at}")
    };
    let config = load_over(auth::DEFAULT_CONFIG, &auth_over(places))?;
    auth::run(config, runtime("auth")).await.context("auth")?;
    let config = load_over(device_ingest::DEFAULT_CONFIG, &ingest_over(places, &port("auth")))?;
    device_ingest::run(config, runtime("device-ingest")).await.context("device-ingest")?;
    let config = load_over(worker::DEFAULT_CONFIG, &database_over(places, "worker"))?;
    worker::run(config, runtime("worker")).await.context("worker")?;
    let config = load_over(scheduler::DEFAULT_CONFIG, &database_over(places, "scheduler"))?;
    scheduler::run(config, runtime("scheduler")).await.context("scheduler")?;
    let config = load_over(comms_websocket::DEFAULT_CONFIG, &comms_over(places))?;
    comms_websocket::run(config, runtime("comms-websocket")).await.context("comms-websocket")?;
    let upstreams: String = OWNERS
        .iter()
        .filter(|owner| **owner != "api-gateway")
        .map(|owner| format!("{} = \"{}\"\n", owner.replace('-', "_"), port(owner)))
        .collect();
    let socket = runtime("comms-websocket").address("socket").context("socket listener")?;
    let passed = runtime("auth").address("http").context("auth's HTTP listener")?;
    let over = format!(
        "{}{}http.listen = \"127.0.0.1:{}\"\nredis.url = \"{}\"\n\
         pass_through.upstream = \"{passed}\"\n{}\
         [upstreams]\n{upstreams}socket = \"{socket}\"\n",
        common(places, "api-gateway"),
        nats_over(places),
        places.port,
        places.redis.url(),
        gateway_limits_over(places),
    );
    api_gateway::run(load_over(api_gateway::DEFAULT_CONFIG, &over)?, runtime("api-gateway"))
        .await
        .context("api-gateway")?;
    Ok(runtimes)
}

/// What runs beside the broker in a cluster: it follows auth's revocation list over HTTP.
fn start_agent(places: &Places, services: &[(&'static str, Runtime)]) -> anyhow::Result<Runtime> {
    let auth = services.iter().find(|(name, _)| *name == "auth").context("auth runs")?;
    let at = auth.1.address("http").context("auth has bound its listener")?;
    let mut agent = Agent::new(AgentSettings {
        source: format!("http://{at}/crl/device-ca.pem").parse().map_err(anyhow::Error::msg)?,
        authority: Authority::from_pem(&std::fs::read(places.pki.join("device-ca.pem"))?)?,
        list_file: places.broker.list_file(),
        broker: BrokerProcess::PidFile(places.broker.pid_file()),
    })?;
    let runtime = Runtime::builder("broker-agent", "test").build();
    let soft = runtime.shutdown().soft().clone();
    runtime.tasks().spawn(TaskKind::Background, "broker agent", async move {
        let follow = async {
            loop {
                // What fails is tried again, and the broker keeps its list meanwhile.
                drop(agent.step().await);
                tokio::time::sleep(AGENT_LOOKS_EVERY).await;
            }
        };
        soft.run_until_cancelled(follow).await;
        Ok(())
    });
    Ok(runtime)
}

fn common(places: &Places, service: &str) -> String {
    let pki = places.pki.display();
    format!(
        "runtime.admin_listen = \"127.0.0.1:0\"\n\
         identity.key_file = \"{pki}/services/{service}.key\"\n\
         identity.trust_file = \"{pki}/trust.json\"\n"
    )
}

fn database_over(places: &Places, service: &str) -> String {
    let role = format!("yard_{}", if service == "device-ingest" { "ingest" } else { service });
    format!(
        "{}grpc.listen = \"127.0.0.1:0\"\npostgres.url = \"{}\"\npostgres.max_connections = 10\n{}",
        common(places, service),
        places.db.url(&role),
        nats_over(places),
    )
}

fn nats_over(places: &Places) -> String {
    format!("nats.url = \"{}\"\n", places.nats.url())
}

fn auth_over(places: &Places) -> String {
    let pki = places.pki.display();
    format!(
        "{}http.listen = \"127.0.0.1:0\"\nredis.url = \"{}\"\n\
         sealing.key_file = \"{pki}/sealing.key\"\n\
         audit.root_key_file = \"{pki}/audit-root.key\"\naudit.root_interval = \"1s\"\n\
         issuer.key_file = \"{pki}/auth-issuer.key\"\n\
         issuer.public_url = \"http://127.0.0.1:{}\"\n\
         federation.allowed_networks = [\"127.0.0.0/8\"]\nfederation.plain_http = true\n\
         {}{}\
         device_ca.crl_file = \"{pki}/device-crl.pem\"\n\
         mqtt.host = \"localhost\"\nmqtt.port = {}\n\
         mail.smtp_url = \"smtp+plain://127.0.0.1:{}\"\nmail.console_url = \"{CONSOLE}\"\n\
         registration.open = true\nregistration.asked_per_network = 1000\n",
        database_over(places, "auth"),
        places.redis.url(),
        places.port,
        throttle_over(places),
        authorities_over(places),
        places.broker.port(),
        places.mail.port(),
    )
}

/// How often one may sign in, as the gateway counts.
fn gateway_limits_over(places: &Places) -> &'static str {
    match places.special {
        Special::ManySignIns => "limits.login.address.burst = 1000000\n",
        Special::Nothing | Special::TwoAuthorities => "",
    }
}

/// The same, as auth counts.
fn throttle_over(places: &Places) -> &'static str {
    match places.special {
        Special::ManySignIns => {
            "throttle.pair_burst = 100000\nthrottle.account_burst = 100000\n\
             throttle.source_burst = 100000\n"
        }
        Special::Nothing | Special::TwoAuthorities => "",
    }
}

/// One that nobody has at this moment.
fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn authorities_over(places: &Places) -> String {
    let pki = places.pki.display();
    let told = |option: &str, name: &str| {
        format!(
            "device_ca.{option}cert_file = \"{pki}/{name}.pem\"\n\
             device_ca.{option}key_file = \"{pki}/{name}.key\"\n"
        )
    };
    if places.special == Special::TwoAuthorities {
        told("", "device-ca-next") + &told("previous_", "device-ca-old")
    } else {
        told("", "device-ca")
    }
}

/// What step 4 of the runbook rotate-device-ca has come to: `device-ca.pem`, which the broker, its
/// agent and device-ingest read, holds both CAs.
fn begin_rotation(pki: &Path) -> anyhow::Result<()> {
    let old = std::fs::read_to_string(pki.join("device-ca.pem"))?;
    yard::pki::next_ca(&old, &SystemClock)?.write(pki, false)?;
    std::fs::copy(pki.join("device-ca.key"), pki.join("device-ca-old.key"))?;
    std::fs::write(pki.join("device-ca-old.pem"), old)?;
    std::fs::copy(pki.join("device-ca-bundle.pem"), pki.join("device-ca.pem"))?;
    let lists = ["device-crl.pem", "device-crl-next.pem"].map(|name| pki.join(name));
    let both = std::fs::read_to_string(&lists[0])? + &std::fs::read_to_string(&lists[1])?;
    std::fs::write(&lists[0], both)?;
    Ok(())
}

fn ingest_over(places: &Places, auth: &str) -> String {
    let pki = places.pki.display();
    format!(
        // With an endpoint it makes spans; who collects them is the test's business.
        "{}runtime.otlp_endpoint = \"http://127.0.0.1:1\"\n\
         auth.endpoint = \"{auth}\"\nmqtt.host = \"localhost\"\nmqtt.port = {}\n\
         mqtt.ca_file = \"{pki}/device-ca.pem\"\nmqtt.cert_file = \"{pki}/mqtt-device-ingest.pem\"\n\
         mqtt.key_file = \"{pki}/mqtt-device-ingest.key\"\n",
        database_over(places, "device-ingest"),
        places.broker.port(),
    )
}

fn comms_over(places: &Places) -> String {
    let (secret, pki) = (secret_file(places.folder.path()), places.pki.display());
    format!(
        "{}{}redis.url = \"{}\"\npostgres.url = \"{}\"\n\
         sealing.key_file = \"{pki}/comms-sealing.key\"\ngrpc.listen = \"127.0.0.1:0\"\nsocket.listen = \"127.0.0.1:0\"\n\
         socket.app_secret_file = \"{}\"\n",
        common(places, "comms-websocket"),
        nats_over(places),
        places.redis.url(),
        places.db.url("yard_comms"),
        secret.display(),
    )
}

fn secret_file(folder: &Path) -> PathBuf {
    let path = folder.join("app-secret");
    std::fs::write(&path, "a secret for tests only, of 32+ bytes").expect("the folder is ours");
    path
}

fn people() -> Bootstrap {
    let person = |who: &str, slug: &str, role: &str| Person {
        email: format!("{}@{slug}.test", who.to_lowercase()),
        display_name: format!("{who} of {slug}"),
        password: PASSWORD.to_owned(),
        role: role.to_owned(),
    };
    let tenant = |slug: &str| Tenant {
        slug: slug.to_owned(),
        name: format!("Tenant {slug}"),
        people: vec![person("Owner", slug, "owner"), person("Viewer", slug, "viewer")],
    };
    Bootstrap {
        tenants: vec![tenant("a"), tenant("b")],
        system_administrators: vec![person("Ops", "switchyard", "")],
    }
}
