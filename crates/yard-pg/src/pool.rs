use std::str::FromStr as _;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use yard_runtime::{Check, ConfigError, Runtime};

use crate::{PgError, PostgresConfig};

/// A service's pool of connections under its own role.
#[derive(Debug, Clone)]
pub struct Pg {
    pool: PgPool,
}

impl Pg {
    /// Prepares the pool without connecting, so that a service starts before its database.
    ///
    /// # Errors
    /// When the URL cannot be used.
    pub fn open(config: &PostgresConfig, service: &str) -> Result<Self, ConfigError> {
        let url = config.resolve_url()?;
        let options = PgConnectOptions::from_str(url.expose())
            .map_err(|e| ConfigError::new("postgres.url", e.to_string()))?
            .application_name(service)
            .options([("statement_timeout", format!("{}", config.statement_timeout.as_millis()))]);
        let pool = PgPoolOptions::new()
            .max_connections(config.max_connections)
            .acquire_timeout(config.acquire_timeout)
            .test_before_acquire(true)
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// Adds the readiness check `postgres` and the pool's gauges.
    pub fn watch(&self, runtime: &Runtime) {
        let this = self.clone();
        runtime.health().register(Check::new("postgres", move || {
            let this = this.clone();
            async move { this.ping().await.map_err(|e| e.to_string()) }
        }));
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

    /// Ends all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
