use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::Builder;
use fred::types::config::{Config, ReconnectPolicy};
use yard_runtime::{Check, ConfigError, Runtime, TaskKind};

use crate::config::RedisConfig;

/// Longest wait for an answer; a sign-in waits for it.
const COMMAND: Duration = Duration::from_secs(2);

/// The connection that login limits are kept through. It comes and goes by itself.
#[derive(Clone)]
pub(crate) struct Redis(Client);

impl Redis {
    /// Connects, and keeps connected until the soft stop. Waits a moment for the first connection,
    /// so that the first sign-ins after a start are limited as well; without one it goes on.
    pub(crate) async fn start(
        config: &RedisConfig,
        runtime: &Runtime,
    ) -> Result<Self, ConfigError> {
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
        this.keep_connected(runtime);
        this.watch(runtime);
        drop(tokio::time::timeout(COMMAND, this.0.wait_for_connect()).await);
        Ok(this)
    }

    /// The client while it is connected: without, a command would wait for its timeout.
    pub(super) fn connected(&self) -> Option<&Client> {
        self.0.is_connected().then_some(&self.0)
    }

    fn keep_connected(&self, runtime: &Runtime) {
        let (client, soft) = (self.0.clone(), runtime.shutdown().soft().clone());
        runtime.tasks().spawn(TaskKind::Background, "redis", async move {
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

    fn watch(&self, runtime: &Runtime) {
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
        // Sign-in goes on without it, so it must not take the instance out of service.
        runtime.health().register(check.advisory());
    }
}
