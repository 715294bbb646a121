use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

use super::{Begun, Purpose};

/// Ended ones that go with each that is made.
const MOST_SWEPT: i64 = 20;

/// What is known of a challenge when its proof comes.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Pending {
    pub(crate) principal_id: Option<Uuid>,
    pub(crate) tenant_id: Option<Uuid>,
    pub(crate) amr: Vec<String>,
}

pub(super) async fn insert(
    tx: &mut PlatformTx,
    token_hash: &[u8; 32],
    begun: &Begun<'_>,
    now: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.challenges \
           (token_hash, purpose, principal_id, tenant_id, amr, created_at, expires_at) \
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(token_hash.as_slice())
    .bind(begun.purpose.as_str())
    .bind(begun.person)
    .bind(begun.tenant)
    .bind(begun.amr)
    .bind(now)
    .bind(expires_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// `None` when it is unknown, for something else, ended or tried too often.
pub(super) async fn count_try(
    tx: &mut PlatformTx,
    token_hash: &[u8; 32],
    purpose: Purpose,
    now: OffsetDateTime,
    most: i16,
) -> Result<Option<Pending>, PgError> {
    let row = sqlx::query_as(
        "update platform.challenges set tries = tries + 1 \
         where token_hash = $1 and purpose = $2 and expires_at > $3 and tries < $4 \
         returning principal_id, tenant_id, amr",
    )
    .bind(token_hash.as_slice())
    .bind(purpose.as_str())
    .bind(now)
    .bind(most)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// False when it is gone already.
pub(super) async fn delete(tx: &mut PlatformTx, token_hash: &[u8; 32]) -> Result<bool, PgError> {
    let done = sqlx::query("delete from platform.challenges where token_hash = $1")
        .bind(token_hash.as_slice())
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Ended ones, a few at a time.
pub(super) async fn sweep(tx: &mut PlatformTx, now: OffsetDateTime) -> Result<(), PgError> {
    sqlx::query(
        "delete from platform.challenges where token_hash in (\
           select token_hash from platform.challenges where expires_at <= $1 \
           limit $2 for update skip locked)",
    )
    .bind(now)
    .bind(MOST_SWEPT)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
