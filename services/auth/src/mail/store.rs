use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

/// A mail to be sent.
pub(super) struct NewMail {
    pub(super) id: Uuid,
    pub(super) tenant: Option<Uuid>,
    pub(super) kind: &'static str,
    pub(super) sealed: Vec<u8>,
    pub(super) created_at: OffsetDateTime,
    pub(super) expires_at: OffsetDateTime,
}

/// A mail that this instance has taken on.
#[derive(Debug, FromRow)]
pub(super) struct Claimed {
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) sealed: Vec<u8>,
    pub(super) created_at: OffsetDateTime,
    /// This one included.
    pub(super) attempts: i32,
}

pub(super) async fn insert(tx: &mut PlatformTx, mail: &NewMail) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.mails \
           (id, tenant_id, kind, sealed, created_at, expires_at, next_attempt_at) \
         values ($1, $2, $3, $4, $5, $6, $5)",
    )
    .bind(mail.id)
    .bind(mail.tenant)
    .bind(mail.kind)
    .bind(&mail.sealed)
    .bind(mail.created_at)
    .bind(mail.expires_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Gives up what is past its time; how many.
pub(super) async fn expire(tx: &mut PlatformTx, now: OffsetDateTime) -> Result<u64, PgError> {
    let done = sqlx::query(
        "update platform.mails set sealed = null, ended_at = $1, outcome = 'expired' \
         where sealed is not null and expires_at <= $1",
    )
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Takes on what is due, until `again_at`: whoever dies over it leaves it to the next.
pub(super) async fn claim(
    tx: &mut PlatformTx,
    now: OffsetDateTime,
    again_at: OffsetDateTime,
    most: i64,
) -> Result<Vec<Claimed>, PgError> {
    let rows = sqlx::query_as(
        "update platform.mails m set attempts = m.attempts + 1, next_attempt_at = $2 \
         from (select id from platform.mails \
               where sealed is not null and next_attempt_at <= $1 \
               order by next_attempt_at, id limit $3 for update skip locked) due \
         where m.id = due.id \
         returning m.id, m.kind, m.sealed, m.created_at, m.attempts",
    )
    .bind(now)
    .bind(again_at)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// Notes the end of a mail and erases what it said.
pub(super) async fn end(
    tx: &mut PlatformTx,
    id: Uuid,
    (outcome, problem): (&str, &str),
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.mails set sealed = null, ended_at = $4, outcome = $2, problem = $3 \
         where id = $1 and sealed is not null",
    )
    .bind(id)
    .bind(outcome)
    .bind(problem)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Puts a mail off.
pub(super) async fn put_off(
    tx: &mut PlatformTx,
    id: Uuid,
    problem: &str,
    until: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.mails set next_attempt_at = $3, problem = $2 \
         where id = $1 and sealed is not null",
    )
    .bind(id)
    .bind(problem)
    .bind(until)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Mails that wait.
pub(super) async fn waiting(tx: &mut PlatformTx) -> Result<i64, PgError> {
    let count = sqlx::query_scalar("select count(*) from platform.mails where sealed is not null")
        .fetch_one(&mut **tx)
        .await?;
    Ok(count)
}
