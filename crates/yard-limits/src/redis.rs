use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::ClientLike;
use fred::types::Builder;
use fred::types::config::{Config, CredentialProvider, ReconnectPolicy, Server, TlsConnector};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use yard_runtime::{Check, ConfigError, Runtime, Secret, TaskKind};

use crate::tls;

/// How long a start waits for the first connection.
const FIRST: Duration = Duration::from_secs(2);

/// Section `[redis]` of a service.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// `redis://:password@host:port/database` or `redis-cluster://…`, with TLS `rediss://` or
    /// `rediss-cluster://`; or empty with `url_file` given.
    pub url: Secret,
    /// A file that holds the URL. User and password are read from it at each connection.
    pub url_file: PathBuf,
    /// Authorities of the servers' certificates, PEM, in place of the system's; empty for those.
    /// For `rediss://` and `rediss-cluster://`.
    #[serde(default)]
    pub ca_file: PathBuf,
}

impl RedisConfig {
    /// For tests: one server.
    #[must_use]
    pub fn for_test(url: &str) -> Self {
        let (url_file, ca_file) = (PathBuf::new(), PathBuf::new());
        Self { url: Secret::new(url.to_owned()), url_file, ca_file }
    }

    /// Whether neither option is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.url.is_empty() && self.url_file.as_os_str().is_empty()
    }

    /// The URL, from whichever of the two options has it.
    ///
    /// # Errors
    /// When neither or both are given, or the file cannot be read.
    pub fn resolve_url(&self) -> Result<Secret, ConfigError> {
        let url = match (self.url.is_empty(), self.url_file.as_os_str().is_empty()) {
            (false, true) => self.url.clone(),
            (true, false) => Secret::from_file("redis.url_file", &self.url_file)?,
            (true, true) => {
                return Err(ConfigError::new("redis.url", "give it, or redis.url_file"));
            }
            (false, false) => {
                let problem = "give it or redis.url_file, not both";
                return Err(ConfigError::new("redis.url", problem));
            }
        };
        // The client would take any scheme and try its best.
        if url.expose().starts_with("redis") {
            Ok(url)
        } else {
            Err(ConfigError::new("redis.url", "has to begin with redis:// or the like"))
        }
    }
}

/// User and password as the file has them at each connection, so that they can be changed while the
/// service runs.
#[derive(Debug)]
struct FromFile(RedisConfig);

type Credentials = Result<(Option<String>, Option<String>), Error>;

impl CredentialProvider for FromFile {
    // What the trait's `async fn` stands for.
    fn fetch<'a, 'b, 'c>(
        &'a self,
        _server: Option<&'b Server>,
    ) -> Pin<Box<dyn Future<Output = Credentials> + Send + 'c>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        // Neither error repeats what the file holds.
        let wrong = |problem: &str| Error::new(ErrorKind::Config, problem.to_owned());
        let read = || {
            let url = self.0.resolve_url().map_err(|e| wrong(&e.to_string()))?;
            let settings = Config::from_url(url.expose());
            let settings = settings.map_err(|_e| wrong("redis.url_file holds no Redis URL"))?;
            Ok((settings.username, settings.password))
        };
        let read = read();
        Box::pin(async move { read })
    }
}

/// A connection that comes and goes by itself.
#[derive(Clone)]
pub struct Redis(Client);

impl Redis {
    /// Connects, and keeps connected until the soft stop. Waits a moment for the first connection,
    /// so that the first callers after a start are limited as well; without one it goes on.
    /// `patience` is the longest wait for an answer.
    ///
    /// # Errors
    /// When the URL is missing or is none.
    pub async fn start(
        config: &RedisConfig,
        patience: Duration,
        runtime: &Runtime,
    ) -> Result<Self, ConfigError> {
        let soft = runtime.shutdown().soft().clone();
        Self::start_until(config, patience, runtime, soft).await
    }

    /// As [`Redis::start`], but connected until `end`, or the hard stop: for what has something to say
    /// while the service leaves.
    ///
    /// # Errors
    /// As [`Redis::start`].
    pub async fn start_until(
        config: &RedisConfig,
        patience: Duration,
        runtime: &Runtime,
        end: CancellationToken,
    ) -> Result<Self, ConfigError> {
        let url = config.resolve_url()?;
        // The client's own error text would repeat the password.
        let wrong = |_error| ConfigError::new("redis.url", "is no Redis URL");
        let mut settings = Config::from_url(url.expose()).map_err(wrong)?;
        settings.fail_fast = false;
        if !config.ca_file.as_os_str().is_empty() {
            if settings.tls.is_none() {
                let problem = "is for rediss:// and rediss-cluster:// alone";
                return Err(ConfigError::new("redis.ca_file", problem));
            }
            settings.tls = Some(TlsConnector::from(tls::trusting(&config.ca_file)?).into());
        }
        if !config.url_file.as_os_str().is_empty() {
            settings.credential_provider = Some(Arc::new(FromFile(config.clone())));
        }
        let client = Builder::from_config(settings)
            .with_performance_config(|c| c.default_command_timeout = patience)
            .with_connection_config(|c| {
                c.connection_timeout = FIRST;
                c.internal_command_timeout = FIRST;
                c.max_command_attempts = 1;
                c.auto_client_setname = true;
            })
            .set_policy(ReconnectPolicy::new_exponential(0, 100, 5_000, 2))
            .build()
            .map_err(wrong)?;
        let this = Self(client);
        this.keep_connected(runtime, end);
        this.watch(runtime);
        drop(tokio::time::timeout(FIRST, this.0.wait_for_connect()).await);
        Ok(this)
    }

    /// The client while it is connected: without, a command would wait for its timeout.
    #[must_use]
    pub fn connected(&self) -> Option<&Client> {
        self.0.is_connected().then_some(&self.0)
    }

    fn keep_connected(&self, runtime: &Runtime, end: CancellationToken) {
        let (client, hard) = (self.0.clone(), runtime.shutdown().hard().clone());
        runtime.tasks().spawn(TaskKind::Background, "redis", async move {
            let driver = client.connect();
            tokio::select! {
                () = end.cancelled() => {}
                () = hard.cancelled() => {}
            }
            // Away, it would only wait for the timeout.
            if client.is_connected() {
                drop(tokio::time::timeout(FIRST, client.quit()).await);
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
        // Service goes on without it, so it must not take the instance out.
        runtime.health().register(check.advisory());
    }
}
