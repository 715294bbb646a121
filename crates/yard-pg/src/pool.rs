use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio_util::sync::CancellationToken;
use yard_runtime::{Check, ConfigError, Runtime, Secret, TaskKind};

use crate::{PgError, PostgresConfig};

/// How often the file with the URL is read again.
const LOOK: Duration = Duration::from_secs(5);

/// A service's pool of connections under its own role.
#[derive(Debug, Clone)]
pub struct Pg {
    pool: PgPool,
    source: Arc<Source>,
}

/// Where the connections' secret comes from.
#[derive(Debug)]
struct Source {
    config: PostgresConfig,
    service: String,
    statement_timeout: String,
}

impl Source {
    fn options(&self, url: &Secret) -> Result<PgConnectOptions, ConfigError> {
        // Nothing but parameters that a pooler in transaction mode passes on: what else a
        // transaction needs is set by the transaction.
        let options = PgConnectOptions::from_str(url.expose())
            .map_err(|e| ConfigError::new("postgres.url", e.to_string()))?;
        Ok(options.application_name(&self.service).extra_float_digits(None))
    }
}

impl Pg {
    /// Prepares the pool without connecting, so that a service starts before its database.
    ///
    /// # Errors
    /// When the URL cannot be used.
    pub fn open(config: &PostgresConfig, service: &str) -> Result<Self, ConfigError> {
        let source = Source {
            config: config.clone(),
            service: service.to_owned(),
            statement_timeout: config.statement_timeout.as_millis().to_string(),
        };
        let options = source.options(&config.resolve_url()?)?;
        let pool = PgPoolOptions::new()
            .max_connections(config.max_connections)
            .acquire_timeout(config.acquire_timeout)
            .test_before_acquire(true)
            .connect_lazy_with(options);
        Ok(Self { pool, source: Arc::new(source) })
    }

    /// Adds the readiness check `postgres` and the pool's gauges, and follows `url_file`: new
    /// connections are made with what it holds then, so that a password can be changed while the
    /// service runs.
    pub fn watch(&self, runtime: &Runtime) {
        if !self.source.config.url_file.as_os_str().is_empty() {
            let follow = self.clone().follow_file(runtime.shutdown().soft().clone());
            runtime.tasks().spawn(TaskKind::Background, "postgres secret", follow);
        }
        let this = self.clone();
        runtime.health().register(Check::new("postgres", move || {
            let this = this.clone();
            async move { this.ping().await.map_err(|e| e.to_string()) }
        }));
    }

    async fn follow_file(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut known = self.source.config.resolve_url().ok();
        while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            match self.source.config.resolve_url() {
                // A file that is being replaced; the next look sees it.
                Err(_) => {}
                Ok(url) if known.as_ref() == Some(&url) => {}
                Ok(url) => {
                    match self.source.options(&url) {
                        Ok(options) => {
                            self.pool.set_connect_options(options);
                            tracing::info!("new database connections take the changed url_file");
                        }
                        Err(error) => tracing::warn!(error = %error, "url_file was not taken"),
                    }
                    known = Some(url);
                }
            }
        }
        Ok(())
    }

    /// One round trip.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn ping(&self) -> Result<(), PgError> {
        sqlx::query("select 1").execute(&self.pool).await?;
        metrics::gauge!("yard_pg_connections").set(f64::from(self.pool.size()));
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "the doors themselves begin here")]
    pub(crate) async fn begin(
        &self,
    ) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, PgError> {
        Ok(self.pool.begin().await?)
    }

    /// Milliseconds after which the server cancels a statement, as PostgreSQL reads them.
    pub(crate) fn statement_timeout(&self) -> &str {
        &self.source.statement_timeout
    }

    /// Ends all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
