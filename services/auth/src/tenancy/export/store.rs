use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_ids::TenantId;
use yard_pg::{PgError, PlatformTx};

/// A part of an export, or what is left out of it.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Relation {
    pub(super) relation: String,
    pub(super) exported: bool,
    pub(super) reason: String,
}

/// A finished export.
pub(super) struct Taken<'a> {
    pub(super) id: Uuid,
    pub(super) digest: &'a str,
    pub(super) records: i64,
    pub(super) by: &'a str,
    pub(super) at: OffsetDateTime,
}

/// For this transaction: a fetch may take long, a reader that stops taking may not.
pub(super) async fn be_patient(tx: &mut PlatformTx) -> Result<(), PgError> {
    sqlx::query(
        "select set_config('statement_timeout', '10min', true), \
         set_config('idle_in_transaction_session_timeout', '1min', true)",
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn slug(tx: &mut PlatformTx, tenant: TenantId) -> Result<Option<String>, PgError> {
    let slug = sqlx::query_scalar("select slug from platform.tenants where id = $1")
        .bind(tenant.uuid())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(slug)
}

pub(super) async fn relations(
    tx: &mut PlatformTx,
    tenant: TenantId,
) -> Result<Vec<Relation>, PgError> {
    let rows =
        sqlx::query_as("select relation, exported, reason from platform.export_relations($1)")
            .bind(tenant.uuid())
            .fetch_all(&mut **tx)
            .await?;
    Ok(rows)
}

/// Begins to read a relation.
pub(super) async fn open(
    tx: &mut PlatformTx,
    tenant: TenantId,
    relation: &str,
) -> Result<(), PgError> {
    sqlx::query("select platform.open_export($1, $2)")
        .bind(tenant.uuid())
        .bind(relation)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The next rows as JSON; none at the end.
pub(super) async fn fetch(tx: &mut PlatformTx) -> Result<Vec<String>, PgError> {
    // Not kept as a prepared statement: it means another cursor each time.
    let rows = sqlx::query_scalar("fetch forward 200 from tenant_export")
        .persistent(false)
        .fetch_all(&mut **tx)
        .await?;
    Ok(rows)
}

/// Ends reading a relation.
pub(super) async fn close(tx: &mut PlatformTx) -> Result<(), PgError> {
    sqlx::query("close tenant_export").persistent(false).execute(&mut **tx).await?;
    Ok(())
}

pub(super) async fn insert(
    tx: &mut PlatformTx,
    tenant: TenantId,
    taken: &Taken<'_>,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.tenant_exports \
         (id, tenant_id, digest, record_count, taken_by, finished_at) \
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(taken.id)
    .bind(tenant.uuid())
    .bind(taken.digest)
    .bind(taken.records)
    .bind(taken.by)
    .bind(taken.at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether the tenant has a finished export of that digest from `since` on.
pub(in crate::tenancy) async fn is_recent(
    tx: &mut PlatformTx,
    tenant: Uuid,
    digest: &str,
    since: OffsetDateTime,
) -> Result<bool, PgError> {
    let found = sqlx::query_scalar(
        "select exists (select from platform.tenant_exports \
         where tenant_id = $1 and digest = $2 and finished_at >= $3)",
    )
    .bind(tenant)
    .bind(digest)
    .bind(since)
    .fetch_one(&mut **tx)
    .await?;
    Ok(found)
}
