use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, TenantTx};

use super::Key;

/// A key as it is stored.
#[derive(Debug, FromRow)]
pub(super) struct Row {
    pub(super) method: String,
    pub(super) request_hash: Vec<u8>,
    pub(super) answer: Uuid,
}

/// Takes a key that nobody has, or that somebody had too long ago; `false` if it is taken. Waits for
/// a transaction that is about to take it.
pub(super) async fn claim(
    tx: &mut TenantTx,
    key: &Key<'_>,
    answer: Uuid,
    now: OffsetDateTime,
    expired: OffsetDateTime,
) -> Result<bool, PgError> {
    let done = sqlx::query(
        "insert into idempotency_keys \
         (tenant_id, subject, key, method, request_hash, answer, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7) \
         on conflict (subject, key) do update set method = excluded.method, \
         request_hash = excluded.request_hash, answer = excluded.answer, \
         created_at = excluded.created_at where idempotency_keys.created_at <= $8",
    )
    .bind(tx.tenant().uuid())
    .bind(key.subject)
    .bind(key.key)
    .bind(key.method)
    .bind(&key.hash)
    .bind(answer)
    .bind(now)
    .bind(expired)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What a key stands for.
pub(super) async fn read(
    tx: &mut TenantTx,
    subject: &str,
    key: &str,
) -> Result<Option<Row>, PgError> {
    Ok(sqlx::query_as(
        "select method, request_hash, answer from idempotency_keys \
         where subject = $1 and key = $2",
    )
    .bind(subject)
    .bind(key)
    .fetch_optional(&mut **tx)
    .await?)
}

/// Removes a few keys that hold no longer; whoever else removes them at the moment does so alone.
pub(super) async fn forget(tx: &mut TenantTx, expired: OffsetDateTime) -> Result<(), PgError> {
    sqlx::query(
        "delete from idempotency_keys where (subject, key) in \
         (select subject, key from idempotency_keys where created_at <= $1 \
         limit 16 for update skip locked)",
    )
    .bind(expired)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
