use std::str::FromStr as _;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use uuid::Uuid;

use crate::SERVICE_ROLES;

static SHARED: Migrator = sqlx::migrate!("./sql/shared");
static TENANT: Migrator = sqlx::migrate!("./sql/tenant");

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database refused or does not answer.
    #[error("database")]
    Database(#[from] sqlx::Error),
    /// A file failed, or an applied file was changed.
    #[error("schema {schema}")]
    Migration {
        /// Where it happened.
        schema: String,
        /// What happened.
        #[source]
        source: MigrateError,
    },
    /// An argument cannot be used.
    #[error("{0}")]
    Argument(String),
}

/// What a run did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Tenant schemas looked at.
    pub tenants: usize,
}

/// Connects as the owner.
///
/// # Errors
/// When the URL cannot be used or the server does not answer.
pub async fn connect(admin_url: &str) -> Result<PgConnection, MigrationError> {
    Ok(PgConnectOptions::from_str(admin_url)?.application_name("yard-migrate").connect().await?)
}

/// Brings the shared schemas and every tenant's schema up to date.
///
/// # Errors
/// At the first failure; what was applied stays applied.
pub async fn migrate(admin_url: &str) -> Result<Report, MigrationError> {
    let mut connection = connect(admin_url).await?;
    run_in(&mut connection, "public", &SHARED).await?;
    let tenants: Vec<Uuid> = sqlx::query_scalar("select id from platform.tenants order by id")
        .fetch_all(&mut connection)
        .await?;
    for id in &tenants {
        migrate_tenant(&mut connection, *id).await?;
    }
    connection.close().await?;
    Ok(Report { tenants: tenants.len() })
}

/// Creates the tenant's schema where missing and applies what it lacks.
pub(crate) async fn migrate_tenant(
    connection: &mut PgConnection,
    tenant: Uuid,
) -> Result<(), MigrationError> {
    let schema = format!("ts_{}", tenant.as_simple());
    for statement in [
        format!("create schema if not exists {schema} authorization yard_owner"),
        format!("grant usage on schema {schema} to yard_ingest, yard_worker"),
        "set role yard_owner".to_owned(),
    ] {
        execute(connection, statement).await?;
    }
    let outcome = run_in(connection, &schema, &TENANT).await;
    execute(connection, "reset role".to_owned()).await?;
    outcome
}

async fn run_in(
    connection: &mut PgConnection,
    schema: &str,
    migrator: &Migrator,
) -> Result<(), MigrationError> {
    // The migrator keeps its table of applied files where search_path points.
    execute(connection, format!("set search_path = {schema}, pg_catalog")).await?;
    let outcome = migrator
        .run_direct(None, connection, false)
        .await
        .map_err(|source| MigrationError::Migration { schema: schema.to_owned(), source });
    execute(connection, "reset search_path".to_owned()).await?;
    outcome
}

/// Gives every service role its password.
///
/// # Errors
/// When a password has a character that would need quoting.
pub async fn set_role_passwords(admin_url: &str, password: &str) -> Result<(), MigrationError> {
    let plain = password.bytes().all(|b| b.is_ascii_alphanumeric());
    if !plain || password.len() < 16 {
        return Err(MigrationError::Argument(
            "a role password has to be 16 or more ASCII letters and digits".to_owned(),
        ));
    }
    let mut connection = connect(admin_url).await?;
    for role in SERVICE_ROLES {
        execute(&mut connection, format!("alter role {role} password '{password}'")).await?;
    }
    connection.close().await?;
    Ok(())
}

/// Statements whose names cannot be bound. Every caller builds them from UUIDs, constants or text
/// it has checked.
#[expect(clippy::disallowed_types, reason = "DDL takes no bound values; this is its only home")]
pub(crate) async fn execute(
    connection: &mut PgConnection,
    statement: String,
) -> Result<(), MigrationError> {
    use sqlx::AssertSqlSafe;

    sqlx::query(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}
