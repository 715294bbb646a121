//! Which service is told what. The keys are those of each service's `config/default.toml`.

use std::net::SocketAddr;
use std::path::Path;

use super::Edge;
use crate::workspace::Workspace;

/// A service, ready to be started.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) admin: SocketAddr,
    pub(super) env: Vec<(String, String)>,
}

/// Collects `YARD_<SERVICE>__SECTION__KEY` variables.
struct Env {
    name: &'static str,
    prefix: String,
    admin: SocketAddr,
    pairs: Vec<(String, String)>,
}

impl Env {
    fn new(name: &'static str, edge: &Edge, admin: usize) -> Self {
        let prefix = format!("YARD_{}", name.to_uppercase().replace('-', "_"));
        let admin = edge.admin.get(admin).expect("one admin port for each service").addr();
        Self { name, prefix, admin, pairs: Vec::new() }
            .set("runtime.admin_listen", admin)
            // Nothing balances load here that would have to notice first.
            .set("runtime.drain_delay", "0s")
    }

    fn set(mut self, key: &str, value: impl ToString) -> Self {
        let key = key.to_uppercase().replace('.', "__");
        self.pairs.push((format!("{}__{key}", self.prefix), value.to_string()));
        self
    }

    fn path(self, key: &str, path: &Path) -> Self {
        let text = path.display().to_string();
        self.set(key, text)
    }

    fn identity(self, edge: &Edge) -> Self {
        let key = edge.pki.join("services").join(format!("{}.key", self.name));
        self.path("identity.key_file", &key)
            .path("identity.trust_file", &edge.pki.join("trust.json"))
    }

    fn postgres(self, edge: &Edge) -> Self {
        let own = edge.postgres_urls.iter().find(|(service, _)| *service == self.name);
        let (_, url) = own.expect("a service with a database has a role");
        self.path("postgres.url_file", url)
    }

    fn nats(self, edge: &Edge) -> Self {
        self.path("nats.url_file", &edge.nats_url)
    }

    fn redis(self, edge: &Edge) -> Self {
        self.path("redis.url_file", &edge.redis_url)
    }

    fn auth(self, edge: &Edge) -> Self {
        self.set("auth.endpoint", url(edge.auth_grpc.addr()))
    }

    fn done(self) -> Service {
        Service { name: self.name, admin: self.admin, env: self.pairs }
    }
}

fn url(addr: SocketAddr) -> String {
    format!("http://{addr}")
}

pub(super) fn all(edge: &Edge, workspace: &Workspace) -> Vec<Service> {
    vec![
        auth(edge),
        device_ingest(edge),
        worker(edge),
        scheduler(edge),
        comms_websocket(edge),
        api_gateway(edge, workspace),
    ]
}

fn auth(edge: &Edge) -> Service {
    let pki = &edge.pki;
    Env::new("auth", edge, 1)
        .set("grpc.listen", edge.auth_grpc.addr())
        .set("http.listen", edge.auth_http.addr())
        .postgres(edge)
        .redis(edge)
        .nats(edge)
        .identity(edge)
        .path("sealing.key_file", &pki.join("sealing.key"))
        .path("audit.root_key_file", &pki.join("audit-root.key"))
        .path("issuer.key_file", &pki.join("auth-issuer.key"))
        .set("issuer.public_url", url(edge.gateway.addr()))
        .path("device_ca.cert_file", &pki.join("device-ca.pem"))
        .path("device_ca.key_file", &pki.join("device-ca.key"))
        .path("device_ca.crl_file", &pki.join("device-crl.pem"))
        .set("est.listen", edge.auth_est.addr())
        .path("est.cert_file", &pki.join("est.pem"))
        .path("est.key_file", &pki.join("est.key"))
        .set("mqtt.host", "localhost")
        .set("mqtt.port", edge.mqtt_port)
        .set("mail.smtp_url", format!("smtp+plain://127.0.0.1:{}", edge.mail_port))
        .set("mail.console_url", url(edge.gateway.addr()))
        .set("registration.open", true)
        // Tests ask from one address.
        .set("registration.asked_per_network", 1000)
        .done()
}

fn device_ingest(edge: &Edge) -> Service {
    Env::new("device-ingest", edge, 2)
        .set("grpc.listen", edge.ingest_grpc.addr())
        .postgres(edge)
        .nats(edge)
        .identity(edge)
        .auth(edge)
        .set("mqtt.host", "localhost")
        .set("mqtt.port", edge.mqtt_port)
        .path("mqtt.ca_file", &edge.pki.join("device-ca.pem"))
        .path("mqtt.cert_file", &edge.pki.join("mqtt-device-ingest.pem"))
        .path("mqtt.key_file", &edge.pki.join("mqtt-device-ingest.key"))
        .done()
}

fn worker(edge: &Edge) -> Service {
    Env::new("worker", edge, 4)
        .set("grpc.listen", edge.worker_grpc.addr())
        .postgres(edge)
        .nats(edge)
        .identity(edge)
        .done()
}

fn scheduler(edge: &Edge) -> Service {
    Env::new("scheduler", edge, 3)
        .set("grpc.listen", edge.scheduler_grpc.addr())
        .postgres(edge)
        .nats(edge)
        .identity(edge)
        .done()
}

fn comms_websocket(edge: &Edge) -> Service {
    Env::new("comms-websocket", edge, 5)
        .set("grpc.listen", edge.comms_grpc.addr())
        .set("socket.listen", edge.comms_socket.addr())
        .set("socket.allowed_origins", console_origins(edge))
        .path("socket.app_secret_file", &edge.app_secret)
        .path("sealing.key_file", &edge.pki.join("comms-sealing.key"))
        .postgres(edge)
        .redis(edge)
        .nats(edge)
        .identity(edge)
        .done()
}

/// The console's origin as its two spellings, as a TOML array.
fn console_origins(edge: &Edge) -> String {
    let port = edge.gateway.addr().port();
    format!("[\"http://127.0.0.1:{port}\", \"http://localhost:{port}\"]")
}

fn api_gateway(edge: &Edge, workspace: &Workspace) -> Service {
    Env::new("api-gateway", edge, 0)
        .set("http.listen", edge.gateway.addr())
        .set("upstreams.auth", url(edge.auth_grpc.addr()))
        .set("upstreams.device_ingest", url(edge.ingest_grpc.addr()))
        .set("upstreams.comms_websocket", url(edge.comms_grpc.addr()))
        .set("upstreams.scheduler", url(edge.scheduler_grpc.addr()))
        .set("upstreams.worker", url(edge.worker_grpc.addr()))
        .set("upstreams.socket", edge.comms_socket.addr())
        .set("pass_through.upstream", edge.auth_http.addr())
        .nats(edge)
        .redis(edge)
        // A fleet of simulated devices enrols from one address, tests know no patience, and
        // benchmarks want what lies behind.
        .set("limits.login.address.burst", 100_000)
        .set("limits.write.session.burst", 100_000)
        .set("limits.read.session.burst", 1_000_000)
        .set("limits.read.address.burst", 1_000_000)
        .set("limits.read.tenant.burst", 1_000_000)
        .identity(edge)
        .path("console.dir", &workspace.join("services/console/dist"))
        .done()
}
