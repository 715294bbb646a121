use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, TenantTx};

use super::password::Stored;

/// A subscriber without their password.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Subscriber {
    pub(super) id: Uuid,
    pub(super) user_name: String,
    pub(super) pap_only: bool,
    pub(super) disabled_at: Option<OffsetDateTime>,
    pub(super) valid_until: Option<OffsetDateTime>,
    pub(super) session_timeout_seconds: i32,
    pub(super) idle_timeout_seconds: i32,
    pub(super) upload_kbps: i32,
    pub(super) download_kbps: i32,
    pub(super) created_at: OffsetDateTime,
    pub(super) changed_at: Option<OffsetDateTime>,
}

pub(super) async fn insert(
    tx: &mut TenantTx,
    row: &Subscriber,
    password: &Stored,
    created_by: &str,
) -> Result<(), PgError> {
    let tenant = tx.tenant();
    sqlx::query(
        "insert into radius_subscribers \
           (id, tenant_id, user_name, password_verifier, password_sealed, disabled_at, valid_until, \
            session_timeout_seconds, idle_timeout_seconds, upload_kbps, download_kbps, created_by, \
            created_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(row.id)
    .bind(tenant.uuid())
    .bind(&row.user_name)
    .bind(password.verifier.as_slice())
    .bind(&password.sealed)
    .bind(row.disabled_at)
    .bind(row.valid_until)
    .bind(row.session_timeout_seconds)
    .bind(row.idle_timeout_seconds)
    .bind(row.upload_kbps)
    .bind(row.download_kbps)
    .bind(created_by)
    .bind(row.created_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Those whose names begin so, by name, from behind `after`.
pub(super) async fn page(
    tx: &mut TenantTx,
    after: Option<&str>,
    prefix: &str,
    most: i64,
) -> Result<Vec<Subscriber>, PgError> {
    let rows = sqlx::query_as(
        "select id, user_name, password_sealed is null as pap_only, disabled_at, valid_until, \
           session_timeout_seconds, idle_timeout_seconds, upload_kbps, download_kbps, created_at, \
           changed_at \
         from radius_subscribers \
         where ($1::text is null or user_name > $1) and starts_with(user_name, $2) \
         order by user_name limit $3",
    )
    .bind(after)
    .bind(prefix)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// One; nobody else changes it before the transaction ends.
pub(super) async fn keep(tx: &mut TenantTx, id: Uuid) -> Result<Option<Subscriber>, PgError> {
    let row = sqlx::query_as(
        "select id, user_name, password_sealed is null as pap_only, disabled_at, valid_until, \
           session_timeout_seconds, idle_timeout_seconds, upload_kbps, download_kbps, created_at, \
           changed_at \
         from radius_subscribers where id = $1 for update",
    )
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn update(tx: &mut TenantTx, row: &Subscriber) -> Result<(), PgError> {
    sqlx::query(
        "update radius_subscribers set disabled_at = $2, valid_until = $3, \
           session_timeout_seconds = $4, idle_timeout_seconds = $5, upload_kbps = $6, \
           download_kbps = $7, changed_at = $8 where id = $1",
    )
    .bind(row.id)
    .bind(row.disabled_at)
    .bind(row.valid_until)
    .bind(row.session_timeout_seconds)
    .bind(row.idle_timeout_seconds)
    .bind(row.upload_kbps)
    .bind(row.download_kbps)
    .bind(row.changed_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn replace_password(
    tx: &mut TenantTx,
    id: Uuid,
    password: &Stored,
) -> Result<(), PgError> {
    sqlx::query(
        "update radius_subscribers set password_verifier = $2, password_sealed = $3 where id = $1",
    )
    .bind(id)
    .bind(password.verifier.as_slice())
    .bind(&password.sealed)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// `false` if there is no such subscriber.
pub(super) async fn delete(tx: &mut TenantTx, id: Uuid) -> Result<bool, PgError> {
    let done = sqlx::query("delete from radius_subscribers where id = $1")
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}
