//! The files of `sql/tenant`, put into the database: `platform.migrate_tenant` applies them there, so
//! that a service can have a tenant's schema made without the owner's rights.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use sqlx::migrate::Migrator;

use crate::MigrationError;

static TENANT: Migrator = sqlx::migrate!("./sql/tenant");

/// The newest version that the database has; 0 before the first.
pub(crate) async fn newest(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select coalesce(max(version), 0) from platform.tenant_migrations")
        .fetch_one(connection)
        .await
}

/// Adds the files that the database does not have. Versions that it has and this program lacks are a
/// newer release's and stay.
///
/// # Errors
/// `Changed` when a file is not the one that was released under its number.
pub(crate) async fn release(connection: &mut PgConnection) -> Result<(), MigrationError> {
    let known: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("select version, checksum from platform.tenant_migrations")
            .fetch_all(&mut *connection)
            .await?;
    let known: BTreeMap<i64, Vec<u8>> = known.into_iter().collect();
    for file in TENANT.iter() {
        match known.get(&file.version) {
            Some(checksum) if *checksum == *file.checksum => {}
            Some(_) => return Err(MigrationError::Changed(file.version)),
            None => {
                sqlx::query(
                    "insert into platform.tenant_migrations (version, description, sql, checksum) \
                     values ($1, $2, $3, $4)",
                )
                .bind(file.version)
                .bind(&*file.description)
                .bind(file.sql.as_str())
                .bind(&*file.checksum)
                .execute(&mut *connection)
                .await?;
            }
        }
    }
    Ok(())
}
