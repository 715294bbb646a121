use std::str::FromStr as _;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use uuid::Uuid;

use crate::rollout::{self, Report, Rollout};
use crate::{SERVICE_ROLES, files};

static SHARED: Migrator = sqlx::migrate!("./sql/shared");

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
    /// A file of `sql/tenant` is not what was released under its number.
    #[error("tenant migration {0} differs from the one that was released")]
    Changed(i64),
    /// Tenants' schemas that could not be brought up to date; the others were, as far as it went.
    #[error("{} of {} tenants failed, {} left out; first: {}", .0.failed.len(), .0.behind,
        .0.left_out, .0.first_failure())]
    Tenants(Box<Report>),
    /// An argument cannot be used.
    #[error("{0}")]
    Argument(String),
}

/// Connects as the owner.
///
/// # Errors
/// When the URL cannot be used or the server does not answer.
pub async fn connect(admin_url: &str) -> Result<PgConnection, MigrationError> {
    Ok(PgConnectOptions::from_str(admin_url)?.application_name("yard-migrate").connect().await?)
}

/// Brings the shared schemas and every tenant's schema up to date. Repeating it goes on where it
/// stopped; with nothing to do it asks three questions, however many tenants there are.
///
/// # Errors
/// [`MigrationError::Tenants`] when the rollout was stopped or some tenants failed; what was applied
/// stays applied.
pub async fn migrate(admin_url: &str, rollout: Rollout) -> Result<Report, MigrationError> {
    let mut connection = connect(admin_url).await?;
    execute(&mut connection, "set search_path = public, pg_catalog".to_owned()).await?;
    SHARED
        .run_direct(None, &mut connection, false)
        .await
        .map_err(|source| MigrationError::Migration { schema: "public".to_owned(), source })?;
    files::release(&mut connection).await?;
    connection.close().await?;
    let report = rollout::run(admin_url, rollout).await?;
    if report.is_clean() { Ok(report) } else { Err(MigrationError::Tenants(Box::new(report))) }
}

/// Creates the tenant's schema where missing and applies what it lacks, in one transaction.
pub(crate) async fn migrate_tenant(
    connection: &mut PgConnection,
    tenant: Uuid,
) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("select platform.migrate_tenant($1)")
        .bind(tenant)
        .fetch_one(connection)
        .await
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

/// Statements whose names cannot be bound. Every caller builds them from constants or text it has
/// checked.
#[expect(clippy::disallowed_types, reason = "DDL takes no bound values; this is its only home")]
async fn execute(connection: &mut PgConnection, statement: String) -> Result<(), MigrationError> {
    use sqlx::AssertSqlSafe;

    sqlx::query(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}
