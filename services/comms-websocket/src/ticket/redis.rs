use std::time::Duration;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike, KeysInterface as _};
use fred::types::config::{Config, ReconnectPolicy};
use fred::types::{Builder, Expiration, SetOptions};
use yard_runtime::{Check, ConfigError, Runtime, TaskKind};

use crate::config::RedisConfig;

/// Longest wait for an answer; a handshake waits for it.
const COMMAND: Duration = Duration::from_secs(2);

/// The connection that tickets are kept through. It comes and goes by itself; without it nobody
/// gets a ticket, and sockets without one go on.
#[derive(Clone)]
pub(crate) struct Redis(Client);

impl Redis {
    /// Connects, and keeps connected until the soft stop.
    pub(crate) async fn start(config: &RedisConfig, rt: &Runtime) -> Result<Self, ConfigError> {
        let url = config.resolve_url()?;
        // The client's own error text would repeat the password.
        let wrong = |_error| ConfigError::new("redis.url", "is no Redis URL");
        let mut settings = Config::from_url(url.expose()).map_err(wrong)?;
        settings.fail_fast = false;
        let client = Builder::from_config(settings)
            .with_performance_config(|c| c.default_command_timeout = COMMAND)
            .with_connection_config(|c| {
                c.connection_timeout = COMMAND;
                c.internal_command_timeout = COMMAND;
                c.max_command_attempts = 1;
                c.auto_client_setname = true;
            })
            .set_policy(ReconnectPolicy::new_exponential(0, 100, 5_000, 2))
            .build()
            .map_err(wrong)?;
        let this = Self(client);
        this.keep_connected(rt);
        this.watch(rt);
        drop(tokio::time::timeout(COMMAND, this.0.wait_for_connect()).await);
        Ok(this)
    }

    /// Keeps a value under a key that is not taken.
    pub(super) async fn keep(&self, key: String, value: String, seconds: i64) -> Result<(), Error> {
        self.connected()?;
        let ends = Some(Expiration::EX(seconds));
        let kept: Option<String> =
            self.0.set(key, value, ends, Some(SetOptions::NX), false).await?;
        kept.map(drop).ok_or_else(|| Error::new(ErrorKind::Unknown, "the key was taken"))
    }

    /// The value of a key, which is gone after.
    pub(super) async fn take(&self, key: String) -> Result<Option<String>, Error> {
        self.connected()?;
        self.0.getdel(key).await
    }

    /// Without a connection a command would wait for its timeout.
    fn connected(&self) -> Result<(), Error> {
        if self.0.is_connected() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::IO, "not connected"))
    }

    fn keep_connected(&self, rt: &Runtime) {
        let (client, soft) = (self.0.clone(), rt.shutdown().soft().clone());
        rt.tasks().spawn(TaskKind::Background, "redis", async move {
            let driver = client.connect();
            soft.cancelled().await;
            // Away, it would only wait for the timeout.
            if client.is_connected() {
                drop(tokio::time::timeout(COMMAND, client.quit()).await);
            }
            driver.abort();
            Ok(())
        });
    }

    fn watch(&self, rt: &Runtime) {
        let client = self.0.clone();
        let check = Check::new("redis", move || {
            let client = client.clone();
            async move {
                if !client.is_connected() {
                    return Err("not connected".to_owned());
                }
                client.ping::<()>(None).await.map_err(|e| e.to_string())
            }
        });
        // Sockets that are open, and those without a ticket, go on without it.
        rt.health().register(check.advisory());
    }
}
