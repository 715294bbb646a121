use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

use super::{LinkKind, NewLink};
use crate::sessions;

/// Links of one kind that a person has.
#[derive(Debug, Clone, FromRow)]
pub(in crate::people) struct Links {
    /// That are good.
    pub(in crate::people) alive: i64,
    /// When the last one was made, good or not.
    pub(in crate::people) newest: Option<OffsetDateTime>,
}

/// A link with its person, whatever has become of it.
#[derive(Debug, Clone, FromRow)]
pub(super) struct LinkRow {
    pub(super) principal_id: Uuid,
    pub(super) email: String,
    /// Neither used nor past its time, and the address and person as they were.
    pub(super) good: bool,
}

/// A person who may choose a new password.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Account {
    pub(super) principal_id: Uuid,
    pub(super) email: String,
}

/// A change of address that a link belongs to.
#[derive(Debug, Clone, FromRow)]
pub(super) struct ChangeRow {
    pub(super) principal_id: Uuid,
    pub(super) new_email: String,
    /// Whether the link went to the present address.
    pub(super) of_old: bool,
    pub(super) old_confirmed: bool,
    pub(super) new_confirmed: bool,
}

pub(super) async fn insert_wish(
    tx: &mut PlatformTx,
    id: Uuid,
    sealed: &[u8],
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.reset_wishes (id, sealed_email, created_at) values ($1, $2, $3)",
    )
    .bind(id)
    .bind(sealed)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Takes the oldest wish out, for as long as the transaction stands.
pub(super) async fn take_wish(
    tx: &mut PlatformTx,
) -> Result<Option<(Uuid, Vec<u8>, OffsetDateTime)>, PgError> {
    let row = sqlx::query_as(
        "delete from platform.reset_wishes where id = \
           (select id from platform.reset_wishes order by id limit 1 for update skip locked) \
         returning id, sealed_email, created_at",
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn account(tx: &mut PlatformTx, email: &str) -> Result<Option<Account>, PgError> {
    let row = sqlx::query_as(
        "select p.principal_id, p.email from platform.people p \
         join platform.principals pr on pr.id = p.principal_id \
         where p.email = $1 and pr.disabled_at is null",
    )
    .bind(email)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn links(
    tx: &mut PlatformTx,
    principal: Uuid,
    kind: LinkKind,
    now: OffsetDateTime,
) -> Result<Links, PgError> {
    let row = sqlx::query_as(
        "select count(*) filter (where used_at is null and expires_at > $3) as alive, \
           max(created_at) as newest \
         from platform.person_links where principal_id = $1 and kind = $2",
    )
    .bind(principal)
    .bind(kind.as_str())
    .bind(now)
    .fetch_one(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn locale(
    tx: &mut PlatformTx,
    principal: Uuid,
) -> Result<Option<String>, PgError> {
    let locale = sqlx::query_scalar(
        "select coalesce(p.locale, (select t.locale from platform.memberships m \
           join platform.tenants t on t.id = m.tenant_id \
           where m.principal_id = $1 order by m.created_at limit 1)) \
         from platform.people p where p.principal_id = $1",
    )
    .bind(principal)
    .fetch_one(&mut **tx)
    .await?;
    Ok(locale)
}

pub(super) async fn insert(
    tx: &mut PlatformTx,
    link: &NewLink<'_>,
    expires_at: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.person_links \
           (token_hash, kind, principal_id, email, created_at, expires_at) \
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(link.hash.as_slice())
    .bind(link.kind.as_str())
    .bind(link.principal)
    .bind(link.email.as_str())
    .bind(link.at)
    .bind(expires_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn find(
    tx: &mut PlatformTx,
    hash: &[u8; 32],
    kind: LinkKind,
    now: OffsetDateTime,
) -> Result<Option<LinkRow>, PgError> {
    let row = sqlx::query_as(
        "select l.principal_id, l.email, \
           l.used_at is null and l.expires_at > $3 and p.email = l.email \
             and pr.disabled_at is null as good \
         from platform.person_links l join platform.people p on p.principal_id = l.principal_id \
         join platform.principals pr on pr.id = l.principal_id \
         where l.token_hash = $1 and l.kind = $2",
    )
    .bind(hash.as_slice())
    .bind(kind.as_str())
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Uses a link up. False when somebody was faster, or it is good no more.
pub(super) async fn consume(
    tx: &mut PlatformTx,
    hash: &[u8; 32],
    kind: LinkKind,
    now: OffsetDateTime,
) -> Result<bool, PgError> {
    let done = sqlx::query(
        "update platform.person_links l set used_at = $3 \
         from platform.people p, platform.principals pr \
         where l.token_hash = $1 and l.kind = $2 and l.used_at is null and l.expires_at > $3 \
           and p.principal_id = l.principal_id and p.email = l.email \
           and pr.id = l.principal_id and pr.disabled_at is null",
    )
    .bind(hash.as_slice())
    .bind(kind.as_str())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Sets the password and ends what whoever knew the one before may have begun: every session, and so
/// every grant to an OAuth client; every other link for a password; a change of address. Sign-ins that
/// wait for a second factor go by a trigger (0024).
pub(super) async fn set_password(
    tx: &mut PlatformTx,
    principal: Uuid,
    hash: &str,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.people set password_hash = $2, \
           email_verified_at = coalesce(email_verified_at, $3) where principal_id = $1",
    )
    .bind(principal)
    .bind(hash)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "update platform.person_links set used_at = $2 \
         where principal_id = $1 and kind = 'password-reset' and used_at is null",
    )
    .bind(principal)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "update platform.email_changes set ended_at = $2 \
         where principal_id = $1 and ended_at is null",
    )
    .bind(principal)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    sessions::end_others(tx, principal, None, now).await?;
    Ok(())
}

/// The change that a link belongs to, kept for this transaction.
pub(super) async fn change(
    tx: &mut PlatformTx,
    hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<ChangeRow>, PgError> {
    let row = sqlx::query_as(
        "select c.principal_id, c.new_email, c.old_token_hash = $1 as of_old, \
           c.old_confirmed_at is not null as old_confirmed, \
           c.new_confirmed_at is not null as new_confirmed \
         from platform.email_changes c \
         join platform.principals pr on pr.id = c.principal_id and pr.disabled_at is null \
         where (c.old_token_hash = $1 or c.new_token_hash = $1) and c.ended_at is null \
           and c.expires_at > $2 for update of c",
    )
    .bind(hash.as_slice())
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn agree(
    tx: &mut PlatformTx,
    principal: Uuid,
    of_old: bool,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.email_changes set \
           old_confirmed_at = case when $2 then coalesce(old_confirmed_at, $3) \
             else old_confirmed_at end, \
           new_confirmed_at = case when $2 then new_confirmed_at \
             else coalesce(new_confirmed_at, $3) end \
         where principal_id = $1",
    )
    .bind(principal)
    .bind(of_old)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Both have agreed. `people_email_key` is taken when the address got an account meanwhile.
pub(super) async fn set_email(
    tx: &mut PlatformTx,
    principal: Uuid,
    email: &str,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.people set email = $2, email_verified_at = $3 where principal_id = $1",
    )
    .bind(principal)
    .bind(email)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    sqlx::query("update platform.email_changes set ended_at = $2 where principal_id = $1")
        .bind(principal)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
