//! The servers, each a child process on its own data folder and port.

mod admin;
mod home;
mod mail;
mod memory;
mod mosquitto;
mod nats;
mod pooler;
mod postgres;
mod radius;
mod redis;
mod replica;

use std::path::{Path, PathBuf};

pub use admin::PostgresAdmin;
pub use home::ServerHome;
pub use mail::{Letter, Mail, MailTls};
pub use mosquitto::{DEVICE_INGEST_IDENTITY, Mosquitto};
pub use nats::Nats;
pub use pooler::Pooler;
pub use postgres::Postgres;
pub use radius::Radius;
pub use redis::Redis;
pub use replica::Replica;

use crate::error::Result;
use crate::tools::Tools;

/// Whether data must survive the machine losing power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// For tests: nothing is flushed to the disk. Killing a *process* still loses nothing.
    Throwaway,
    /// Writes are flushed as in production.
    Kept,
}

/// The three servers that need no key material, started together. Mosquitto needs certificates
/// first: see [`Mosquitto::start`]. Dropping the stack stops them in reverse order.
#[derive(Debug)]
pub struct Stack {
    // Fields drop in this order: last started, first stopped.
    pub nats: Nats,
    pub redis: Redis,
    pub postgres: Postgres,
}

impl Stack {
    /// Starts PostgreSQL, Redis and NATS below `home`.
    pub fn start(tools: &Tools, home: &ServerHome, durability: Durability) -> Result<Self> {
        let postgres = Postgres::start(tools, home, durability)?;
        let redis = Redis::start(tools, home)?;
        let nats = Nats::start(tools, home, "nats")?;
        Ok(Self { nats, redis, postgres })
    }
}

/// What a server proves itself with over TLS, PEM.
#[derive(Debug, Clone)]
pub struct ServerTls {
    /// Its certificate.
    pub certificate: String,
    /// The certificate's key.
    pub key: String,
}

impl ServerTls {
    /// Puts both into a folder of the server's.
    fn write(&self, home: &ServerHome, dir: &Path) -> Result<(PathBuf, PathBuf)> {
        let (certificate, key) = (dir.join("server.pem"), dir.join("server.key"));
        private_file(home, &certificate, &self.certificate)?;
        private_file(home, &key, &self.key)?;
        Ok((certificate, key))
    }
}

/// Writes a file that only the server's account can read.
fn private_file(home: &ServerHome, path: &Path, content: &str) -> Result<()> {
    home.write(path, content.as_bytes())
}
