use std::time::Duration;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::KeysInterface as _;
use fred::types::{Expiration, SetOptions};
use yard_limits::RedisConfig;
use yard_runtime::{ConfigError, Runtime};

/// Longest wait for an answer; a handshake waits for it.
const COMMAND: Duration = Duration::from_secs(2);

/// The connection that tickets are kept through. It comes and goes by itself; without it nobody
/// gets a ticket, and sockets that are open, and those without a ticket, go on.
#[derive(Clone)]
pub(crate) struct Redis(yard_limits::Redis);

impl Redis {
    /// Connects, and keeps connected until the soft stop.
    pub(crate) async fn start(config: &RedisConfig, rt: &Runtime) -> Result<Self, ConfigError> {
        Ok(Self(yard_limits::Redis::start(config, COMMAND, rt).await?))
    }

    /// Keeps a value under a key that is not taken.
    pub(super) async fn keep(&self, key: String, value: String, seconds: i64) -> Result<(), Error> {
        let ends = Some(Expiration::EX(seconds));
        let kept: Option<String> =
            self.connected()?.set(key, value, ends, Some(SetOptions::NX), false).await?;
        kept.map(drop).ok_or_else(|| Error::new(ErrorKind::Unknown, "the key was taken"))
    }

    /// The value of a key, which is gone after.
    pub(super) async fn take(&self, key: String) -> Result<Option<String>, Error> {
        self.connected()?.getdel(key).await
    }

    fn connected(&self) -> Result<&Client, Error> {
        self.0.connected().ok_or_else(|| Error::new(ErrorKind::IO, "not connected"))
    }
}
