use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
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
    let rows: Vec<(String, OffsetDateTime, Option<String>)> = sqlx::query_as(
        "select serial, revoked_at, authority from platform.device_certificates \
         where revoked_at is not null and not_after > $1 order by revoked_at, serial",
    )
    .bind(now)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|(serial, at, authority)| Revoked { serial, at, authority }).collect())
}

/// Revokes what devices hold that may no longer connect; gives back how many certificates.
pub(super) async fn revoke_of_disabled(
    tx: &mut PlatformTx,
    now: OffsetDateTime,
) -> Result<u64, PgError> {
    let done = sqlx::query(
        "update platform.device_certificates c set revoked_at = $1 \
         from platform.principals p \
         where p.kind = 'device' and p.disabled_at is not null \
           and c.tenant_id = p.tenant_id and c.device_id = p.id \
           and c.revoked_at is null and c.not_after > $1",
    )
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Revokes what was renewed and whose time beside its successor is over; gives back how many.
pub(super) async fn revoke_superseded(
    tx: &mut PlatformTx,
    now: OffsetDateTime,
) -> Result<u64, PgError> {
    let done = sqlx::query(
        "update platform.device_certificates set revoked_at = $1 \
         where superseded_at <= $1 and revoked_at is null and not_after > $1",
    )
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Writes down which list is the first to name a certificate.
pub(super) async fn mark_listed(
    tx: &mut PlatformTx,
    number: i64,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.device_certificates set listed_in = $1 \
         where revoked_at is not null and listed_in is null and not_after > $2",
    )
    .bind(number)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A revocation that the broker has not been seen to carry out.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Unenforced {
    pub(super) serial: String,
    pub(super) device_id: Uuid,
    pub(super) revoked_at: OffsetDateTime,
    pub(super) listed_in: i64,
}

/// Oldest first.
pub(super) async fn unenforced(
    tx: &mut PlatformTx,
    now: OffsetDateTime,
    most: i64,
) -> Result<Vec<Unenforced>, PgError> {
    let rows = sqlx::query_as(
        "select serial, device_id, revoked_at, listed_in from platform.device_certificates \
         where revoked_at is not null and enforced_at is null and listed_in is not null \
           and not_after > $1 order by revoked_at, serial limit $2",
    )
    .bind(now)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// False when another instance was faster.
pub(super) async fn enforced(
    tx: &mut PlatformTx,
    serial: &str,
    at: OffsetDateTime,
) -> Result<bool, PgError> {
    let done = sqlx::query(
        "update platform.device_certificates set enforced_at = $2 \
         where serial = $1 and enforced_at is null",
    )
    .bind(serial)
    .bind(at)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}
