use sqlx::FromRow;
use time::OffsetDateTime;
use yard_pg::{PgError, PlatformTx};

use crate::ca::Authority;

/// A CA with what is in force of it.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) key_id: String,
    pub(super) subject: String,
    pub(super) state: String,
    pub(super) not_after: OffsetDateTime,
    pub(super) since: OffsetDateTime,
    pub(super) in_force: i64,
}

pub(super) async fn note(
    tx: &mut PlatformTx,
    authority: &Authority,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.device_authorities as a (key_id, subject, state, not_after, since) \
         values ($1, $2, $3, $4, $5) \
         on conflict (key_id) do update set state = $3, since = $5 where a.state <> $3",
    )
    .bind(&authority.key_id_text)
    .bind(&authority.subject)
    .bind(authority.state)
    .bind(authority.not_after)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What is not told any more is retired.
pub(super) async fn retire_others(
    tx: &mut PlatformTx,
    known: &[String],
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.device_authorities set state = 'retired', since = $2 \
         where state <> 'retired' and not key_id = any($1)",
    )
    .bind(known)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn list(tx: &mut PlatformTx, now: OffsetDateTime) -> Result<Vec<Row>, PgError> {
    let rows = sqlx::query_as(
        "select a.key_id, a.subject, a.state, a.not_after, a.since, \
           (select count(*) from platform.device_certificates c \
             where c.authority = a.key_id and c.revoked_at is null and c.not_after > $1) \
             as in_force \
         from platform.device_authorities a order by a.since desc, a.key_id limit 100",
    )
    .bind(now)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}
