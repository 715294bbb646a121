use sqlx::Connection as _;
use yard_ids::TenantId;

use crate::MigrationError;
use crate::run::{connect, migrate_tenant};

/// A tenant to be made.
#[derive(Debug, Clone)]
pub struct NewTenant {
    /// Chosen by the caller, so that a repeated call is the same tenant.
    pub id: TenantId,
    /// Lower-case letters, digits and hyphens, at most 63.
    pub slug: String,
    /// 1 to 120 characters.
    pub name: String,
}

/// Creates a tenant with its schema and marks it ready. Repeating it with the same id goes on
/// where it stopped.
///
/// # Errors
/// When the slug is taken by another tenant, or the database fails.
pub async fn create_tenant(admin_url: &str, tenant: &NewTenant) -> Result<(), MigrationError> {
    let mut connection = connect(admin_url).await?;
    sqlx::query(
        "insert into platform.tenants (id, slug, name, state) values ($1, $2, $3, 'provisioning') \
         on conflict (id) do nothing",
    )
    .bind(tenant.id.uuid())
    .bind(&tenant.slug)
    .bind(&tenant.name)
    .execute(&mut connection)
    .await?;
    migrate_tenant(&mut connection, tenant.id.uuid()).await?;
    sqlx::query(
        "update platform.tenants set state = 'ready', state_changed_at = clock_timestamp() \
         where id = $1 and state = 'provisioning'",
    )
    .bind(tenant.id.uuid())
    .execute(&mut connection)
    .await?;
    connection.close().await?;
    Ok(())
}
