use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio_util::sync::CancellationToken;
use yard_runtime::{Check, ConfigError, Runtime, Secret, TaskKind};

use crate::reader::{self, Reader};
use crate::{PgError, PostgresConfig};

/// How often the file with the URL is read again.
const LOOK: Duration = Duration::from_secs(5);

/// A service's pool of connections under its own role.
#[derive(Debug, Clone)]
pub struct Pg {
    pool: PgPool,
    reader: Option<Arc<Reader>>,
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
        let lazy = |options: PgConnectOptions| {
            PgPoolOptions::new()
                .max_connections(config.max_connections)
                .acquire_timeout(config.acquire_timeout)
                .test_before_acquire(true)
                .connect_lazy_with(options)
        };
        let reader = match config.resolve_reader_url()? {
            None => None,
            Some(url) => Some(Reader::new(lazy(source.options(&url)?), config.max_reader_lag)),
        };
        Ok(Self { pool: lazy(options), reader, source: Arc::new(source) })
    }

    /// Adds the readiness check `postgres` and the pool's gauges, and follows `url_file`: new
    /// connections are made with what it holds then, so that a password can be changed while the
    /// service runs. With a replica it also begins to look how far behind that is; until then
    /// nothing is read from it.
    pub fn watch(&self, runtime: &Runtime) {
        runtime.health().register(self.follow(runtime));
    }

    /// As [`Pg::watch`], for a service that works without the database for a while: it is shown, and
    /// does not decide readiness.
    pub fn watch_as_advice(&self, runtime: &Runtime) {
        runtime.health().register(self.follow(runtime).advisory());
    }

    /// Begins what has to go on, and makes the check.
    fn follow(&self, runtime: &Runtime) -> Check {
        let stop = runtime.shutdown().soft();
        if !self.source.config.url_file.as_os_str().is_empty() {
            let url = |config: &PostgresConfig| config.resolve_url();
            let follow =
                follow_file(Arc::clone(&self.source), self.pool.clone(), url, stop.clone());
            runtime.tasks().spawn(TaskKind::Background, "postgres secret", follow);
        }
        if let Some(reader) = &self.reader {
            self.watch_reader(reader, runtime);
        }
        let this = self.clone();
        Check::new("postgres", move || {
            let this = this.clone();
            async move { this.ping().await.map_err(|e| e.to_string()) }
        })
    }

    fn watch_reader(&self, reader: &Arc<Reader>, runtime: &Runtime) {
        let stop = runtime.shutdown().soft();
        if !self.source.config.reader_url_file.as_os_str().is_empty() {
            let (source, pool) = (Arc::clone(&self.source), reader.pool().clone());
            let url =
                |config: &PostgresConfig| Ok(config.resolve_reader_url()?.unwrap_or_default());
            let follow = follow_file(source, pool, url, stop.clone());
            runtime.tasks().spawn(TaskKind::Background, "postgres reader's secret", follow);
        }
        let watch = Arc::clone(reader).watch(self.pool.clone(), stop.clone());
        runtime.tasks().spawn(TaskKind::Background, "postgres reader", async move {
            watch.await;
            Ok(())
        });
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

    /// On the replica if there is one and it is current enough, else on the writer; either way for
    /// reading only.
    pub(crate) async fn begin_reading(
        &self,
    ) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, PgError> {
        if let Some(reader) = &self.reader
            && let Some(tx) = reader.begin().await
        {
            return Ok(tx);
        }
        let mut tx = self.begin().await?;
        reader::read_only(&mut tx).await?;
        Ok(tx)
    }

    /// Ends all connections.
    pub async fn close(&self) {
        if let Some(reader) = &self.reader {
            reader.pool().close().await;
        }
        self.pool.close().await;
    }
}

/// Gives the pool what the file holds whenever that changes.
async fn follow_file(
    source: Arc<Source>,
    pool: PgPool,
    url: fn(&PostgresConfig) -> Result<Secret, ConfigError>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut known = url(&source.config).ok();
    while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        match url(&source.config) {
            // A file that is being replaced; the next look sees it.
            Err(_) => {}
            Ok(url) if known.as_ref() == Some(&url) => {}
            Ok(url) => {
                match source.options(&url) {
                    Ok(options) => {
                        pool.set_connect_options(options);
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
