//! A database for one test, copied from the migrated template.

use std::time::Duration;

use anyhow::Result;
use yard_ids::TenantId;
use yard_migrations::{NewTenant, SERVICE_ROLES};
use yard_pg::{Pg, PostgresConfig};
use yard_stack::{Pooler, PostgresAdmin, ServerHome};

use crate::eventually::eventually;
use crate::papers::TestPapers;
use crate::replica::TestReplica;
use crate::stack::{OwnPostgres, TestStack};

/// Nothing waits for it when all is well.
const SOON: Duration = Duration::from_secs(30);

/// A migrated, empty database. Dropping it drops the database.
#[derive(Debug)]
pub struct TestDb {
    postgres: PostgresAdmin,
    role_password: String,
    name: String,
    // Before what they stand on.
    pooler: Option<(Pooler, ServerHome)>,
    own: Option<OwnPostgres>,
}

impl TestDb {
    /// Copies the template.
    ///
    /// # Panics
    /// When PostgreSQL refuses.
    pub async fn create() -> Self {
        let made = tokio::task::spawn_blocking(|| Self::copy(TestStack::shared()));
        made.await.expect("the copying thread ends").expect("PostgreSQL copies the template")
    }

    /// The same on a server that this test alone has. For tests of what the whole server does, as
    /// its log and its replicas: what other tests write does not come between.
    ///
    /// # Panics
    /// When PostgreSQL does not start.
    pub async fn on_its_own_server() -> Self {
        let made = tokio::task::spawn_blocking(|| {
            let own = OwnPostgres::start(TestStack::shared().tools())?;
            let mut db = Self::of_template(&own.admin(), own.template, &own.role_password)?;
            db.own = Some(own);
            anyhow::Ok(db)
        });
        made.await.expect("the starting thread ends").expect("PostgreSQL starts")
    }

    /// The same behind a PgBouncer in transaction mode: services get there through it, and each role
    /// has `connections` to the server at most. The superuser's way stays direct.
    ///
    /// # Panics
    /// When one of them refuses, or PgBouncer cannot be had.
    pub async fn behind_pooler(connections: u16) -> Self {
        let made = tokio::task::spawn_blocking(move || {
            let stack = TestStack::shared();
            let mut db = Self::copy(stack)?;
            let home = ServerHome::for_tests()?;
            let people = (&SERVICE_ROLES[..], db.role_password.as_str());
            let pooler = Pooler::start(&stack.pooler()?, &home, &db.postgres, people, connections)?;
            db.pooler = Some((pooler, home));
            anyhow::Ok(db)
        });
        made.await.expect("the starting thread ends").expect("PgBouncer starts")
    }

    /// The same where connections are encrypted for whoever asks for it.
    ///
    /// # Panics
    /// When PostgreSQL does not start, or refuses the papers.
    pub async fn on_an_encrypted_server(papers: &TestPapers) -> Self {
        let db = Self::on_its_own_server().await;
        let own = db.own.as_ref().expect("its own server");
        own.encrypt(papers.tls()).expect("PostgreSQL takes the papers");
        eventually(SOON, || async { db.sql("show ssl").await.trim() == "on" }).await;
        db
    }

    /// A service role's connection string, for example of `yard_ingest`.
    #[must_use]
    pub fn url(&self, role: &str) -> String {
        let direct = || self.postgres.role_url(role, &self.role_password, &self.name);
        self.pooler.as_ref().map_or_else(direct, |(pooler, _home)| {
            let (password, name) = (&self.role_password, &self.name);
            format!("postgres://{role}:{password}@127.0.0.1:{}/{name}", pooler.port())
        })
    }

    /// `kill -9` for its pooler, which comes back on the same port.
    ///
    /// # Panics
    /// When there is none, or it does not come back.
    pub fn kill_pooler(&mut self) {
        let (pooler, _home) = self.pooler.as_mut().expect("a database behind a pooler");
        pooler.process().kill().expect("our own child can be killed");
        pooler.process().start_again().expect("PgBouncer starts again");
    }

    /// The superuser's connection string. Row level security does not bind it.
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.postgres.url(&self.name)
    }

    /// A pool under a service's role.
    ///
    /// # Panics
    /// When the URL cannot be used.
    #[must_use]
    pub fn pg(&self, role: &str) -> Pg {
        Pg::open(&self.config(role), role).expect("a URL made here can be used")
    }

    /// The section `[postgres]` of a service's configuration for this database.
    #[must_use]
    pub fn config(&self, role: &str) -> PostgresConfig {
        PostgresConfig::for_test(&self.url(role))
    }

    /// A service role's connection string for this database as a replica has it.
    #[must_use]
    pub fn replica_url(&self, replica: &TestReplica, role: &str) -> String {
        replica.admin().role_url(role, &self.role_password, &self.name)
    }

    /// Makes a tenant that is ready, with its schema.
    ///
    /// # Panics
    /// When its migrations fail.
    pub async fn tenant(&self, id: TenantId, slug: &str) -> TenantId {
        let tenant = NewTenant { id, slug: slug.to_owned(), name: slug.to_owned() };
        let made = yard_migrations::create_tenant(&self.admin_url(), &tenant).await;
        made.expect("the tenant's schema is made");
        id
    }

    /// Runs SQL as the superuser and gives back its rows, `|` between columns. For looking at what
    /// a service stored, and for damage that a test does on purpose.
    ///
    /// # Panics
    /// When PostgreSQL refuses it.
    pub async fn sql(&self, statement: &str) -> String {
        let (postgres, name) = (self.postgres.clone(), self.name.clone());
        let statement = statement.to_owned();
        let run = tokio::task::spawn_blocking(move || postgres.sql(&name, &statement));
        run.await.expect("psql ends").expect("PostgreSQL takes the statement")
    }

    /// What a replica follows.
    pub(crate) fn server(&self) -> &PostgresAdmin {
        &self.postgres
    }

    fn copy(stack: &TestStack) -> Result<Self> {
        Self::of_template(&stack.postgres, &stack.template, &stack.role_password)
    }

    pub(crate) fn of_template(
        postgres: &PostgresAdmin,
        template: &str,
        role_password: &str,
    ) -> Result<Self> {
        let name = format!("yard_test_{}", yard_stack::random::hex(6)?);
        make_copy(postgres, template, &name)?;
        let (postgres, role_password) = (postgres.clone(), role_password.to_owned());
        Ok(Self { postgres, role_password, name, pooler: None, own: None })
    }
}

/// Makes the database `name` as `template` is.
pub(crate) fn make_copy(postgres: &PostgresAdmin, template: &str, name: &str) -> Result<()> {
    postgres.sql("postgres", &format!("create database {name} template {template}"))?;
    // A database's own rights, and settings of a role in it, are not copied with it.
    postgres.sql("postgres", &format!("grant create on database {name} to yard_owner"))?;
    let settings: String = SERVICE_ROLES
        .iter()
        .map(|role| format!("alter role {role} in database {name} set search_path = '';"))
        .collect();
    postgres.sql("postgres", &settings)?;
    Ok(())
}

impl Drop for TestDb {
    fn drop(&mut self) {
        self.pooler = None;
        if self.own.is_some() {
            return; // The whole server goes.
        }
        let drop_it = format!("drop database if exists {} with (force)", self.name);
        // A database that stays is harmless: the whole server goes when the run ends.
        drop(self.postgres.sql("postgres", &drop_it));
    }
}
