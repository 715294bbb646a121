use time::OffsetDateTime;
use yard_pg::{PgError, PlatformTx};

use crate::ca::Revoked;

/// What the database says of revoked, unexpired certificates; changes with each revocation, on
/// whichever instance it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) count: i64,
    pub(super) latest: Option<OffsetDateTime>,
}

pub(super) async fn extent(tx: &mut PlatformTx, now: OffsetDateTime) -> Result<Extent, PgError> {
    let (count, latest) = sqlx::query_as(
        "select count(*), max(revoked_at) from platform.device_certificates \
         where revoked_at is not null and not_after > $1",
    )
    .bind(now)
    .fetch_one(&mut **tx)
    .await?;
    Ok(Extent { count, latest })
}

/// Takes the next number and keeps other instances from taking one until the transaction ends.
pub(super) async fn next_number(tx: &mut PlatformTx) -> Result<i64, PgError> {
    let number = sqlx::query_scalar(
        "update platform.revocation_list set number = number + 1 returning number",
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(number)
}

pub(super) async fn revoked(
    tx: &mut PlatformTx,
    now: OffsetDateTime,
) -> Result<Vec<Revoked>, PgError> {
    let rows: Vec<(String, OffsetDateTime)> = sqlx::query_as(
        "select serial, revoked_at from platform.device_certificates \
         where revoked_at is not null and not_after > $1 order by revoked_at, serial",
    )
    .bind(now)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|(serial, at)| Revoked { serial, at }).collect())
}
