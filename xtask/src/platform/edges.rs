//! Every address and key of a running platform.

use std::path::PathBuf;

use anyhow::Result;
use yard_stack::ports::PortLease;
use yard_stack::{Mail, Mosquitto, Stack, random};

use super::{DATABASE, Folders};

/// Where everything listens, and the files that hold what is secret.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) gateway: PortLease,
    pub(super) auth_grpc: PortLease,
    pub(super) auth_http: PortLease,
    pub(super) auth_est: PortLease,
    pub(super) ingest_grpc: PortLease,
    pub(super) comms_grpc: PortLease,
    pub(super) comms_socket: PortLease,
    pub(super) scheduler_grpc: PortLease,
    pub(super) worker_grpc: PortLease,
    pub(super) admin: [PortLease; 6],
    pub(super) mqtt_port: u16,
    pub(super) mail_port: u16,
    pub(super) pki: PathBuf,
    pub(super) nats_url: PathBuf,
    pub(super) redis_url: PathBuf,
    pub(super) app_secret: PathBuf,
    pub(super) postgres_urls: Vec<(&'static str, PathBuf)>,
}

// Role of each service that owns tables.
const ROLES: [(&str, &str); 5] = [
    ("auth", "yard_auth"),
    ("comms-websocket", "yard_comms"),
    ("device-ingest", "yard_ingest"),
    ("scheduler", "yard_scheduler"),
    ("worker", "yard_worker"),
];

impl Edge {
    pub(super) fn new(
        (stack, mosquitto, mail): (&Stack, &Mosquitto, &Mail),
        folders: &Folders,
        role_password: &str,
        usual_ports: bool,
    ) -> Result<Self> {
        let port = |usual: u16| {
            if usual_ports { PortLease::prefer(usual) } else { PortLease::any() }
        };
        let mut postgres_urls = Vec::new();
        for (service, role) in ROLES {
            let url = stack.postgres.admin().role_url(role, role_password, DATABASE);
            postgres_urls.push((service, folders.write_secret(&format!("{role}-url"), &url)?));
        }
        Ok(Self {
            gateway: port(8070)?,
            auth_grpc: port(7101)?,
            auth_http: port(7102)?,
            auth_est: port(7103)?,
            ingest_grpc: port(7201)?,
            comms_grpc: port(7301)?,
            comms_socket: port(6071)?,
            scheduler_grpc: port(7401)?,
            worker_grpc: port(7501)?,
            admin: [port(9610)?, port(9620)?, port(9630)?, port(9640)?, port(9650)?, port(9670)?],
            mqtt_port: mosquitto.port(),
            mail_port: mail.port(),
            pki: folders.pki(),
            nats_url: folders.write_secret("nats-url", &stack.nats.url())?,
            redis_url: folders.write_secret("redis-url", &stack.redis.url(0))?,
            app_secret: folders.write_secret("app-secret", &random::hex(32)?)?,
            postgres_urls,
        })
    }

    /// The broker's port for devices.
    pub(crate) fn mqtt_port(&self) -> u16 {
        self.mqtt_port
    }

    /// The file with the Redis URL.
    pub(crate) fn redis_url(&self) -> &PathBuf {
        &self.redis_url
    }

    /// The file with the NATS URL.
    pub(crate) fn nats_url(&self) -> &PathBuf {
        &self.nats_url
    }

    /// The PKI folder.
    pub(crate) fn pki(&self) -> &PathBuf {
        &self.pki
    }
}
