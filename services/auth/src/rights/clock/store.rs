use time::OffsetDateTime;
use yard_pg::{PgError, PlatformTx};

/// Assignments whose time has come.
pub(super) async fn begin_assignments(
    tx: &mut PlatformTx,
    now: OffsetDateTime,
    most: i64,
) -> Result<u64, PgError> {
    let done = sqlx::query(
        "update platform.assignments a set begun = true \
         from (select tenant_id, id from platform.assignments \
               where not begun and starts_at <= $1 limit $2 for update skip locked) d \
         where a.tenant_id = d.tenant_id and a.id = d.id",
    )
    .bind(now)
    .bind(most)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Assignments whose time is over.
pub(super) async fn end_assignments(
    tx: &mut PlatformTx,
    now: OffsetDateTime,
    most: i64,
) -> Result<u64, PgError> {
    let done = sqlx::query(
        "update platform.assignments a set begun = true, over = true \
         from (select tenant_id, id from platform.assignments \
               where not over and ends_at <= $1 limit $2 for update skip locked) d \
         where a.tenant_id = d.tenant_id and a.id = d.id",
    )
    .bind(now)
    .bind(most)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Overrides that have expired, decided or not.
pub(super) async fn expire_overrides(
    tx: &mut PlatformTx,
    now: OffsetDateTime,
    most: i64,
) -> Result<u64, PgError> {
    let done = sqlx::query(
        "update platform.overrides o set state = 'expired' \
         from (select tenant_id, id from platform.overrides \
               where state in ('requested', 'approved') and expires_at <= $1 \
               limit $2 for update skip locked) d \
         where o.tenant_id = d.tenant_id and o.id = d.id",
    )
    .bind(now)
    .bind(most)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Entries by break-glass whose time is over.
pub(super) async fn end_break_glass(
    tx: &mut PlatformTx,
    now: OffsetDateTime,
    most: i64,
) -> Result<u64, PgError> {
    let done = sqlx::query(
        "update platform.break_glass b set ended_at = b.expires_at \
         from (select id from platform.break_glass \
               where ended_at is null and expires_at <= $1 limit $2 for update skip locked) d \
         where b.id = d.id",
    )
    .bind(now)
    .bind(most)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}
