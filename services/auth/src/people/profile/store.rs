use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

/// A person as they see themselves.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) principal_id: Uuid,
    pub(super) email: String,
    pub(super) email_verified_at: Option<OffsetDateTime>,
    pub(super) display_name: String,
    pub(super) locale: Option<String>,
    pub(super) time_zone: Option<String>,
    pub(super) new_email: Option<String>,
    pub(super) change_expires_at: Option<OffsetDateTime>,
    pub(super) old_confirmed_at: Option<OffsetDateTime>,
    pub(super) new_confirmed_at: Option<OffsetDateTime>,
}

/// What `None` stands for stays; an empty text is nothing of one's own.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) display_name: Option<String>,
    pub(super) locale: Option<String>,
    pub(super) time_zone: Option<String>,
}

/// A change of address to be stored.
pub(super) struct NewChange<'a> {
    pub(super) principal: Uuid,
    pub(super) new_email: &'a str,
    pub(super) old_token_hash: [u8; 32],
    pub(super) new_token_hash: [u8; 32],
    pub(super) at: OffsetDateTime,
    pub(super) expires_at: OffsetDateTime,
}

pub(super) async fn get(
    tx: &mut PlatformTx,
    principal: Uuid,
    now: OffsetDateTime,
) -> Result<Row, PgError> {
    let row = sqlx::query_as(
        "select p.principal_id, p.email, p.email_verified_at, pr.display_name, p.locale, \
           p.time_zone, c.new_email, c.expires_at as change_expires_at, c.old_confirmed_at, \
           c.new_confirmed_at \
         from platform.people p join platform.principals pr on pr.id = p.principal_id \
         left join platform.email_changes c \
           on c.principal_id = p.principal_id and c.ended_at is null and c.expires_at > $2 \
         where p.principal_id = $1",
    )
    .bind(principal)
    .bind(now)
    .fetch_one(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn change(
    tx: &mut PlatformTx,
    principal: Uuid,
    changes: &Changes,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.people set \
           locale = case when $2::text is null then locale else nullif($2, '') end, \
           time_zone = case when $3::text is null then time_zone else nullif($3, '') end \
         where principal_id = $1",
    )
    .bind(principal)
    .bind(&changes.locale)
    .bind(&changes.time_zone)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "update platform.principals set display_name = $2 where id = $1 and $2::text is not null",
    )
    .bind(principal)
    .bind(&changes.display_name)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Replaces what the person asked for before. False when that was less than a pause ago.
pub(super) async fn ask_change(
    tx: &mut PlatformTx,
    change: &NewChange<'_>,
    not_after: OffsetDateTime,
) -> Result<bool, PgError> {
    let done = sqlx::query(
        "insert into platform.email_changes as c (principal_id, new_email, old_token_hash, \
           new_token_hash, created_at, expires_at) \
         values ($1, $2, $3, $4, $5, $6) \
         on conflict (principal_id) do update set new_email = excluded.new_email, \
           old_token_hash = excluded.old_token_hash, new_token_hash = excluded.new_token_hash, \
           old_confirmed_at = null, new_confirmed_at = null, ended_at = null, \
           created_at = excluded.created_at, expires_at = excluded.expires_at \
         where c.created_at <= $7",
    )
    .bind(change.principal)
    .bind(change.new_email)
    .bind(change.old_token_hash.as_slice())
    .bind(change.new_token_hash.as_slice())
    .bind(change.at)
    .bind(change.expires_at)
    .bind(not_after)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The row stays, so that asking anew still has to wait.
pub(super) async fn cancel_change(
    tx: &mut PlatformTx,
    principal: Uuid,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.email_changes set ended_at = $2 \
         where principal_id = $1 and ended_at is null",
    )
    .bind(principal)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
