use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

/// A ban as it is stored.
#[derive(Debug, Clone, FromRow)]
pub(super) struct BanRow {
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) subject: String,
    pub(super) reason: String,
    pub(super) created_by: String,
    pub(super) created_at: OffsetDateTime,
    pub(super) expires_at: OffsetDateTime,
    pub(super) lifted_at: Option<OffsetDateTime>,
    pub(super) lifted_by: Option<String>,
    pub(super) automatic: bool,
}

/// The switch.
#[derive(Debug, Clone, FromRow)]
pub(super) struct SwitchRow {
    pub(super) revision: i64,
    pub(super) maintenance: bool,
    pub(super) reason: String,
    pub(super) until: Option<OffsetDateTime>,
    pub(super) changed_at: OffsetDateTime,
    pub(super) changed_by: String,
}

/// Stores a ban.
pub(super) async fn insert(tx: &mut PlatformTx, ban: &BanRow) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.bans (id, kind, subject, reason, created_by, created_at, expires_at, \
         automatic) values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(ban.id)
    .bind(&ban.kind)
    .bind(&ban.subject)
    .bind(&ban.reason)
    .bind(&ban.created_by)
    .bind(ban.created_at)
    .bind(ban.expires_at)
    .bind(ban.automatic)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Removes what ended before a moment.
pub(super) async fn forget_before(
    tx: &mut PlatformTx,
    before: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query("delete from platform.bans where expires_at < $1 or lifted_at < $1")
        .bind(before)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// One page, newest first, from behind `after`.
pub(super) async fn list(
    tx: &mut PlatformTx,
    ended: bool,
    now: OffsetDateTime,
    after: Option<(OffsetDateTime, Uuid)>,
    most: i64,
) -> Result<Vec<BanRow>, PgError> {
    let rows = sqlx::query_as(
        "select id, kind, subject, reason, created_by, created_at, expires_at, lifted_at, \
         lifted_by, automatic from platform.bans \
         where ($1 or (lifted_at is null and expires_at > $2)) \
         and ($3::timestamptz is null or (created_at, id) < ($3, $4)) \
         order by created_at desc, id desc limit $5",
    )
    .bind(ended)
    .bind(now)
    .bind(after.map(|(at, _)| at))
    .bind(after.map(|(_, id)| id))
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// What is in force, operators' bans before automatic ones.
pub(super) async fn in_force(
    tx: &mut PlatformTx,
    now: OffsetDateTime,
    most: i64,
) -> Result<Vec<BanRow>, PgError> {
    let rows = sqlx::query_as(
        "select id, kind, subject, reason, created_by, created_at, expires_at, lifted_at, \
         lifted_by, automatic from platform.bans \
         where lifted_at is null and expires_at > $1 \
         order by automatic, created_at desc, id desc limit $2",
    )
    .bind(now)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// The gateways' own bans of a subject since a moment, newest first.
pub(super) async fn automatic_since(
    tx: &mut PlatformTx,
    subject: &str,
    since: OffsetDateTime,
) -> Result<Vec<BanRow>, PgError> {
    let rows = sqlx::query_as(
        "select id, kind, subject, reason, created_by, created_at, expires_at, lifted_at, \
         lifted_by, automatic from platform.bans \
         where subject = $1 and automatic and created_at > $2 order by created_at desc",
    )
    .bind(subject)
    .bind(since)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// Lifts a ban that is in force; `false` if it is not.
pub(super) async fn lift(
    tx: &mut PlatformTx,
    id: Uuid,
    by: &str,
    now: OffsetDateTime,
) -> Result<bool, PgError> {
    let done = sqlx::query(
        "update platform.bans set lifted_at = $3, lifted_by = $2 \
         where id = $1 and lifted_at is null and expires_at > $3",
    )
    .bind(id)
    .bind(by)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// One ban.
pub(super) async fn find(tx: &mut PlatformTx, id: Uuid) -> Result<Option<BanRow>, PgError> {
    let row = sqlx::query_as(
        "select id, kind, subject, reason, created_by, created_at, expires_at, lifted_at, \
         lifted_by, automatic from platform.bans where id = $1",
    )
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// The switch and the revision.
pub(super) async fn switch(tx: &mut PlatformTx) -> Result<SwitchRow, PgError> {
    let row = sqlx::query_as(
        "select revision, maintenance, reason, until, changed_at, changed_by from platform.guard",
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(row)
}

/// Says that something changed. Changes wait for each other here, so that no revision is read
/// before what it stands for.
pub(super) async fn changed(tx: &mut PlatformTx) -> Result<(), PgError> {
    sqlx::query("update platform.guard set revision = revision + 1").execute(&mut **tx).await?;
    Ok(())
}

/// Sets the switch.
pub(super) async fn set_switch(
    tx: &mut PlatformTx,
    active: bool,
    reason: &str,
    until: Option<OffsetDateTime>,
    (at, by): (OffsetDateTime, &str),
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.guard set revision = revision + 1, maintenance = $1, reason = $2, \
         until = $3, changed_at = $4, changed_by = $5",
    )
    .bind(active)
    .bind(reason)
    .bind(until)
    .bind(at)
    .bind(by)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
