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

/// Of instances that start at once, one at a time.
pub(super) async fn lock(tx: &mut PlatformTx) -> Result<(), PgError> {
    sqlx::query("select pg_advisory_xact_lock(7203, 31)").execute(&mut **tx).await?;
    Ok(())
}

/// While there was one CA only that has ever signed, certificates of which it was not written down
/// are its own.
pub(super) async fn adopt(tx: &mut PlatformTx) -> Result<(), PgError> {
    sqlx::query(
        "with signed as (select key_id from platform.device_authorities where state <> 'pending') \
         update platform.device_certificates set authority = (select key_id from signed) \
         where authority is null and (select count(*) from signed) = 1",
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A CA with certificates in force that this instance was not told of.
#[derive(Debug, FromRow)]
pub(super) struct LeftBehind {
    key_id: String,
    subject: String,
    in_force: i64,
}

impl LeftBehind {
    pub(super) fn problem(&self) -> String {
        let Self { key_id, subject, in_force } = self;
        format!(
            "{subject} has {in_force} certificates in force, which nobody could revoke without it; \
             name it here, or in device_ca.abandoned as {key_id}"
        )
    }
}

pub(super) async fn left_behind(
    tx: &mut PlatformTx,
    known: &[String],
    abandoned: &[String],
    now: OffsetDateTime,
) -> Result<Option<LeftBehind>, PgError> {
    let row = sqlx::query_as(
        "select a.key_id, a.subject, count(*) as in_force from platform.device_authorities a \
         join platform.device_certificates c on c.authority = a.key_id \
         where not a.key_id = any($1) and not a.key_id = any($2) \
           and c.revoked_at is null and c.not_after > $3 \
         group by a.key_id, a.subject order by a.key_id limit 1",
    )
    .bind(known)
    .bind(abandoned)
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// What is not told any more is retired, or abandoned where that was said.
pub(super) async fn end_others(
    tx: &mut PlatformTx,
    known: &[String],
    abandoned: &[String],
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.device_authorities set since = $3, \
           state = case when key_id = any($2) then 'abandoned' else 'retired' end \
         where not key_id = any($1) and state not in ('retired', 'abandoned')",
    )
    .bind(known)
    .bind(abandoned)
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
