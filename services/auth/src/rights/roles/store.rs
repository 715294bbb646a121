use sqlx::FromRow;
use time::OffsetDateTime;
use yard_pg::{PgError, TenantTx};

/// A role of a tenant's own.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) role: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) permissions: Vec<String>,
    pub(super) changed_at: OffsetDateTime,
}

pub(super) async fn page(
    tx: &mut TenantTx,
    after: Option<&str>,
    most: i64,
) -> Result<Vec<Row>, PgError> {
    let rows = sqlx::query_as(
        "select role, name, description, permissions, changed_at from platform.roles \
         where tenant_id = $1 and ($2::text is null or role > $2) order by role limit $3",
    )
    .bind(tx.tenant().uuid())
    .bind(after)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(super) async fn get(tx: &mut TenantTx, role: &str) -> Result<Option<Row>, PgError> {
    let row = sqlx::query_as(
        "select role, name, description, permissions, changed_at from platform.roles \
         where tenant_id = $1 and role = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(role)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Keeps whoever is about to give it to somebody waiting.
pub(super) async fn keep(tx: &mut TenantTx, role: &str) -> Result<(), PgError> {
    sqlx::query("select from platform.roles where tenant_id = $1 and role = $2 for update")
        .bind(tx.tenant().uuid())
        .bind(role)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(super) async fn count(tx: &mut TenantTx) -> Result<i64, PgError> {
    let count = sqlx::query_scalar("select count(*) from platform.roles where tenant_id = $1")
        .bind(tx.tenant().uuid())
        .fetch_one(&mut **tx)
        .await?;
    Ok(count)
}

pub(super) async fn insert(tx: &mut TenantTx, row: &Row) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.roles \
           (tenant_id, role, name, description, permissions, created_at, changed_at) \
         values ($1, $2, $3, $4, $5, $6, $6)",
    )
    .bind(tx.tenant().uuid())
    .bind(&row.role)
    .bind(&row.name)
    .bind(&row.description)
    .bind(&row.permissions)
    .bind(row.changed_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn update(tx: &mut TenantTx, row: &Row) -> Result<(), PgError> {
    sqlx::query(
        "update platform.roles \
         set name = $3, description = $4, permissions = $5, changed_at = $6 \
         where tenant_id = $1 and role = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(&row.role)
    .bind(&row.name)
    .bind(&row.description)
    .bind(&row.permissions)
    .bind(row.changed_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether a member or a position has it, or an identity provider gives it.
pub(super) async fn is_used(tx: &mut TenantTx, role: &str) -> Result<bool, PgError> {
    let used = sqlx::query_scalar(
        "select exists (select from platform.memberships where tenant_id = $1 and role = $2) \
           or exists (select from platform.position_roles where tenant_id = $1 and role = $2) \
           or exists (select from platform.identity_providers where tenant_id = $1 \
             and deleted_at is null and ($2 = any(rule_roles) or default_role = $2))",
    )
    .bind(tx.tenant().uuid())
    .bind(role)
    .fetch_one(&mut **tx)
    .await?;
    Ok(used)
}

pub(super) async fn delete(tx: &mut TenantTx, role: &str) -> Result<(), PgError> {
    sqlx::query("delete from platform.roles where tenant_id = $1 and role = $2")
        .bind(tx.tenant().uuid())
        .bind(role)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
