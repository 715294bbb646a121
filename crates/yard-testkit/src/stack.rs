//! The servers that all tests of a run share.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result};
use serde_json::Value;
use yard_stack::tools::{PoolerProgram, RadiusPrograms, broker_plugin};
use yard_stack::{
    Durability, Postgres, PostgresAdmin, Redis, ServerHome, ServerTls, Tools, random,
};

const FACTS_VARIABLE: &str = "YARD_TEST_STACK";
const OWN_TEMPLATE: &str = "yard_template";

/// PostgreSQL with a migrated template database, and Redis.
#[derive(Debug)]
pub struct TestStack {
    pub(crate) tools: Tools,
    pub(crate) postgres: PostgresAdmin,
    pub(crate) template: String,
    pub(crate) role_password: String,
    pub(crate) redis_url: String,
    broker_plugin: PathBuf,
    _own: Option<Own>,
}

/// Servers that this process started itself. They end with it.
#[derive(Debug)]
struct Own {
    _redis: Redis,
    _postgres: OwnPostgres,
    _home: ServerHome,
}

/// A PostgreSQL of this process with a migrated template database.
#[derive(Debug)]
pub(crate) struct OwnPostgres {
    server: Postgres,
    home: ServerHome,
    pub(crate) template: &'static str,
    pub(crate) role_password: String,
}

impl OwnPostgres {
    pub(crate) fn start(tools: &Tools) -> Result<Self> {
        let home = ServerHome::for_tests()?;
        let server = Postgres::start(tools, &home, Durability::Throwaway)?;
        let role_password = random::hex(16)?;
        migrate_template(server.admin(), &role_password)?;
        Ok(Self { server, home, template: OWN_TEMPLATE, role_password })
    }

    pub(crate) fn encrypt(&self, tls: &ServerTls) -> Result<()> {
        Ok(self.server.encrypt(&self.home, tls)?)
    }

    pub(crate) fn admin(&self) -> PostgresAdmin {
        self.server.admin().clone()
    }
}

static SHARED: OnceLock<TestStack> = OnceLock::new();

impl TestStack {
    /// The run's servers, started on first use. Blocks; call it off the async threads or early.
    ///
    /// # Panics
    /// When they cannot be started: no test can go on then.
    #[must_use]
    pub fn shared() -> &'static Self {
        SHARED.get_or_init(|| {
            let made = match env::var_os(FACTS_VARIABLE) {
                Some(path) => Self::of_the_run(&PathBuf::from(path)),
                None => Self::own(),
            };
            made.expect("the test servers are there")
        })
    }

    /// The shared servers, from an async test.
    ///
    /// # Panics
    /// As [`TestStack::shared`].
    pub async fn get() -> &'static Self {
        tokio::task::spawn_blocking(Self::shared).await.expect("the test servers are there")
    }

    /// Where the servers' programs are.
    #[must_use]
    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// The file of the broker's plugin.
    pub(crate) fn broker_plugin(&self) -> &Path {
        &self.broker_plugin
    }

    /// PgBouncer, which only tests of what stands behind it want: fetched by the first of them.
    pub(crate) fn pooler(&self) -> Result<PoolerProgram> {
        Ok(PoolerProgram::find_or_install(&tool_cache(), &mut |_line| {})?)
    }

    /// FreeRADIUS, which only tests of AAA want: installed by the first of them.
    pub(crate) fn radius(&self) -> Result<RadiusPrograms> {
        Ok(RadiusPrograms::find_or_install(&tool_cache(), &mut |_line| {})?)
    }

    fn of_the_run(path: &PathBuf) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let facts: Value = serde_json::from_str(&text)?;
        let part = |key: &str| facts.get(key).with_context(|| format!("no `{key}`"));
        let string = |key: &str| -> Result<String> {
            Ok(part(key)?.as_str().with_context(|| format!("`{key}` is no string"))?.to_owned())
        };
        Ok(Self {
            tools: Tools::from_json(part("tools")?).context("`tools` is incomplete")?,
            postgres: PostgresAdmin::from_json(part("postgres")?).context("`postgres`")?,
            template: string("template")?,
            role_password: string("role_password")?,
            redis_url: string("redis_url")?,
            broker_plugin: string("broker_plugin")?.into(),
            _own: None,
        })
    }

    fn own() -> Result<Self> {
        let tools = Tools::find_or_install(&tool_cache(), &mut |_line| {})?;
        let home = ServerHome::for_tests()?;
        let postgres = OwnPostgres::start(&tools)?;
        let redis = Redis::start(&tools, &home)?;
        Ok(Self {
            tools,
            postgres: postgres.admin(),
            template: postgres.template.to_owned(),
            role_password: postgres.role_password.clone(),
            redis_url: redis.url(0),
            broker_plugin: broker_plugin(&workspace(), &workspace().join("target"))?,
            _own: Some(Own { _redis: redis, _postgres: postgres, _home: home }),
        })
    }
}

/// A Python that has the `pusher` and `pysher` of PyPI, made by `cargo xtask test`; `None` where it was
/// never made.
#[must_use]
pub fn pusher_python() -> Option<PathBuf> {
    let of_the_run = env::var_os(FACTS_VARIABLE).and_then(|path| {
        let facts: Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
        Some(PathBuf::from(facts.get("pusher_python")?.as_str()?))
    });
    let python = of_the_run.unwrap_or_else(|| tool_cache().join("pusher-python/bin/python"));
    python.exists().then_some(python)
}

fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The same folder as xtask's.
fn tool_cache() -> PathBuf {
    workspace().join("target/switchyard-tools")
}

fn migrate_template(admin: &PostgresAdmin, role_password: &str) -> Result<()> {
    admin.sql("postgres", &format!("create database {OWN_TEMPLATE}"))?;
    let url = admin.url(OWN_TEMPLATE);
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    executor.block_on(async {
        yard_migrations::migrate(&url, yard_migrations::Rollout::default()).await?;
        yard_migrations::set_role_passwords(&url, role_password).await
    })?;
    Ok(())
}
