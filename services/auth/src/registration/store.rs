use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_ids::TenantId;
use yard_pg::{PgError, PlatformTx};

use super::wish::Wish;

/// A wish to be stored.
pub(super) struct NewWish<'a> {
    pub(super) id: Uuid,
    pub(super) wish: &'a Wish,
    pub(super) at: OffsetDateTime,
    pub(super) until: OffsetDateTime,
}

/// A wish that nobody has answered yet.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Asked {
    pub(super) id: Uuid,
    pub(super) email: String,
    pub(super) tenant_slug: String,
    pub(super) locale: Option<String>,
    pub(super) expires_at: OffsetDateTime,
}

/// Links that an address was sent since a moment.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Links {
    pub(super) count: i64,
    pub(super) newest: Option<OffsetDateTime>,
}

/// What a link leads to.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) email: String,
    pub(super) display_name: String,
    pub(super) tenant_name: String,
    pub(super) tenant_slug: String,
    pub(super) locale: Option<String>,
    pub(super) mailed_at: OffsetDateTime,
    pub(super) expires_at: OffsetDateTime,
    pub(super) confirmed_at: Option<OffsetDateTime>,
    pub(super) begun_at: Option<OffsetDateTime>,
    pub(super) failed_at: Option<OffsetDateTime>,
    pub(super) ready_at: Option<OffsetDateTime>,
    pub(super) tries: i32,
    /// The account of the address, if it has one.
    pub(super) principal_id: Option<Uuid>,
    /// Whether that account can sign in somewhere.
    pub(super) account_in_use: bool,
    pub(super) account_disabled: bool,
}

/// Whoever counts what `what` names waits for whoever else does, to the end of the transaction.
pub(super) async fn lock(tx: &mut PlatformTx, what: &str) -> Result<(), PgError> {
    sqlx::query("select pg_advisory_xact_lock(7206, hashtext($1))")
        .bind(what)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(super) async fn asked_since(
    tx: &mut PlatformTx,
    since: OffsetDateTime,
) -> Result<i64, PgError> {
    let count =
        sqlx::query_scalar("select count(*) from platform.registrations where asked_at > $1")
            .bind(since)
            .fetch_one(&mut **tx)
            .await?;
    Ok(count)
}

pub(super) async fn made_since(tx: &mut PlatformTx, since: OffsetDateTime) -> Result<i64, PgError> {
    let count =
        sqlx::query_scalar("select count(*) from platform.registrations where confirmed_at > $1")
            .bind(since)
            .fetch_one(&mut **tx)
            .await?;
    Ok(count)
}

pub(super) async fn insert(tx: &mut PlatformTx, new: &NewWish<'_>) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.registrations \
           (id, email, display_name, tenant_name, tenant_slug, locale, asked_at, expires_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(new.id)
    .bind(new.wish.email.as_str())
    .bind(&new.wish.display_name)
    .bind(&new.wish.tenant_name)
    .bind(&new.wish.tenant_slug)
    .bind(&new.wish.locale)
    .bind(new.at)
    .bind(new.until)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The oldest that nobody has answered, kept for as long as the transaction stands.
pub(super) async fn take(tx: &mut PlatformTx) -> Result<Option<Asked>, PgError> {
    let row = sqlx::query_as(
        "select id, email, tenant_slug, locale, expires_at from platform.registrations \
         where mailed_at is null and dropped_at is null \
         order by id limit 1 for update skip locked",
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn links(
    tx: &mut PlatformTx,
    email: &str,
    since: OffsetDateTime,
) -> Result<Links, PgError> {
    let row = sqlx::query_as(
        "select count(*) as count, max(mailed_at) as newest from platform.registrations \
         where email = $1 and mailed_at > $2",
    )
    .bind(email)
    .bind(since)
    .fetch_one(&mut **tx)
    .await?;
    Ok(row)
}

/// Answers a wish with silence.
pub(super) async fn drop_wish(
    tx: &mut PlatformTx,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query("update platform.registrations set dropped_at = $2 where id = $1")
        .bind(id)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(super) async fn give_link(
    tx: &mut PlatformTx,
    id: Uuid,
    token_hash: &[u8; 32],
    now: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.registrations set token_hash = $2, mailed_at = $3, expires_at = $4 \
         where id = $1",
    )
    .bind(id)
    .bind(token_hash.as_slice())
    .bind(now)
    .bind(until)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// While the link is good, or the tenant is being made.
pub(super) async fn find(
    tx: &mut PlatformTx,
    token_hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<Row>, PgError> {
    let row = sqlx::query_as(
        "select r.id, r.email, r.display_name, r.tenant_name, r.tenant_slug, r.locale, \
           r.mailed_at, r.expires_at, r.confirmed_at, r.begun_at, r.failed_at, r.ready_at, \
           r.tries, p.principal_id, \
           coalesce(p.system_administrator, false) \
             or exists (select from platform.memberships m \
                        where m.principal_id = p.principal_id) as account_in_use, \
           pr.disabled_at is not null as account_disabled \
         from platform.registrations r \
         left join platform.people p on p.email = r.email \
         left join platform.principals pr on pr.id = p.principal_id \
         where r.token_hash = $1 \
           and (r.expires_at > $2 or (r.confirmed_at is not null and r.ready_at is null))",
    )
    .bind(token_hash.as_slice())
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn count_try(tx: &mut PlatformTx, token_hash: &[u8; 32]) -> Result<(), PgError> {
    sqlx::query("update platform.registrations set tries = tries + 1 where token_hash = $1")
        .bind(token_hash.as_slice())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Where [`back_to_mark`] comes back to.
pub(super) async fn mark(tx: &mut PlatformTx) -> Result<(), PgError> {
    sqlx::query("savepoint link_kept").execute(&mut **tx).await?;
    Ok(())
}

/// Undoes what came after [`mark`], also when the database refused it; locks from before stay.
pub(super) async fn back_to_mark(tx: &mut PlatformTx) -> Result<(), PgError> {
    sqlx::query("rollback to savepoint link_kept").execute(&mut **tx).await?;
    Ok(())
}

/// Keeps a link that is still to be confirmed for this transaction; how often it was tried. `None`
/// when it is not to be confirmed.
pub(super) async fn keep(
    tx: &mut PlatformTx,
    token_hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<i32>, PgError> {
    let tries = sqlx::query_scalar(
        "select tries from platform.registrations \
         where token_hash = $1 and confirmed_at is null and expires_at > $2 for update",
    )
    .bind(token_hash.as_slice())
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(tries)
}

pub(super) async fn confirm(
    tx: &mut PlatformTx,
    id: Uuid,
    tenant: TenantId,
    slug: &str,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.registrations set confirmed_at = $4, tenant_id = $2, tenant_slug = $3 \
         where id = $1",
    )
    .bind(id)
    .bind(tenant.uuid())
    .bind(slug)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    sqlx::query("update platform.tenants set self_registered = true where id = $1")
        .bind(tenant.uuid())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(super) async fn begun(
    tx: &mut PlatformTx,
    tenant: Uuid,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.registrations set begun_at = $2 \
         where tenant_id = $1 and begun_at is null",
    )
    .bind(tenant)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn failed(
    tx: &mut PlatformTx,
    tenant: Uuid,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.registrations set failed_at = $2 where tenant_id = $1 and ready_at is null",
    )
    .bind(tenant)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn ready(
    tx: &mut PlatformTx,
    tenant: Uuid,
    now: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.registrations set ready_at = $2, failed_at = null, expires_at = $3 \
         where tenant_id = $1 and ready_at is null",
    )
    .bind(tenant)
    .bind(now)
    .bind(until)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Takes out what nobody confirmed in time and what was shown for long enough; how many there were.
pub(crate) async fn take_out(
    tx: &mut PlatformTx,
    now: OffsetDateTime,
    most: i64,
) -> Result<u64, PgError> {
    let done = sqlx::query(
        "delete from platform.registrations where id in (select id from platform.registrations \
           where expires_at <= $1 and (confirmed_at is null or ready_at is not null) \
           order by expires_at limit $2 for update skip locked)",
    )
    .bind(now)
    .bind(most)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}
