//! A database for one test, copied from the migrated template.

use anyhow::Result;
use yard_ids::TenantId;
use yard_migrations::{NewTenant, SERVICE_ROLES};
use yard_pg::{Pg, PostgresConfig};

use crate::replica::TestReplica;
use crate::stack::TestStack;

/// A migrated, empty database. Dropping it drops the database.
#[derive(Debug)]
pub struct TestDb {
    stack: &'static TestStack,
    name: String,
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

    /// A service role's connection string, for example of `yard_ingest`.
    #[must_use]
    pub fn url(&self, role: &str) -> String {
        self.stack.postgres.role_url(role, &self.stack.role_password, &self.name)
    }

    /// The superuser's connection string. Row level security does not bind it.
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.stack.postgres.url(&self.name)
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
        replica.admin().role_url(role, &self.stack.role_password, &self.name)
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
        let (stack, name, statement) = (self.stack, self.name.clone(), statement.to_owned());
        let run = tokio::task::spawn_blocking(move || stack.postgres.sql(&name, &statement));
        run.await.expect("psql ends").expect("PostgreSQL takes the statement")
    }

    fn copy(stack: &'static TestStack) -> Result<Self> {
        let name = format!("yard_test_{}", yard_stack::random::hex(6)?);
        let create = format!("create database {name} template {}", stack.template);
        stack.postgres.sql("postgres", &create)?;
        // A database's own rights, and settings of a role in it, are not copied with it.
        stack
            .postgres
            .sql("postgres", &format!("grant create on database {name} to yard_owner"))?;
        let settings: String = SERVICE_ROLES
            .iter()
            .map(|role| format!("alter role {role} in database {name} set search_path = '';"))
            .collect();
        stack.postgres.sql("postgres", &settings)?;
        Ok(Self { stack, name })
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let drop_it = format!("drop database if exists {} with (force)", self.name);
        // A database that stays is harmless: the whole server goes when the run ends.
        drop(self.stack.postgres.sql("postgres", &drop_it));
    }
}
