use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_ids::SessionId;
use yard_pg::{PgError, PlatformTx};

/// A person with what is needed to sign in.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Account {
    pub(super) principal_id: Uuid,
    pub(super) email: String,
    pub(super) display_name: String,
    pub(super) password_hash: String,
    pub(super) system_administrator: bool,
    pub(super) disabled_at: Option<OffsetDateTime>,
}

/// A person's place in a tenant.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Membership {
    pub(crate) tenant_id: Uuid,
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) role: String,
    pub(crate) second_factor_required: bool,
}

/// A session with everything that may have ended it since.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Standing {
    pub(super) id: Uuid,
    pub(super) principal_id: Uuid,
    pub(super) tenant_id: Option<Uuid>,
    pub(super) expires_at: OffsetDateTime,
    pub(super) revoked_at: Option<OffsetDateTime>,
    pub(super) disabled_at: Option<OffsetDateTime>,
    pub(super) system_administrator: bool,
    pub(super) tenant_state: Option<String>,
    pub(super) role: Option<String>,
    /// By whose word it was opened, if by a provider's of the tenant.
    pub(super) identity_provider_id: Option<Uuid>,
    /// When its person last proved who they are, and how.
    pub(super) auth_time: OffsetDateTime,
    pub(super) amr: Vec<String>,
    pub(super) second_factor_required: bool,
    /// Its last use that was noted, or its beginning.
    pub(super) last_used_at: OffsetDateTime,
    /// Not later than what is read here was true, by the database's clock.
    pub(super) read_ms: i64,
}

/// A session to be stored.
#[derive(Debug, Clone)]
pub(super) struct NewSession<'a> {
    pub(super) id: Uuid,
    pub(super) token_hash: [u8; 32],
    pub(super) principal_id: Uuid,
    pub(super) tenant_id: Option<Uuid>,
    pub(super) created_at: OffsetDateTime,
    pub(super) expires_at: OffsetDateTime,
    pub(super) auth_time: OffsetDateTime,
    pub(super) amr: &'a [String],
    pub(super) client: &'a str,
    pub(super) network: &'a str,
    pub(super) provider: Option<Uuid>,
}

/// Name and e-mail of a person and their tenant, for display.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Names {
    pub(super) email: String,
    pub(super) display_name: String,
    pub(super) slug: Option<String>,
    pub(super) name: Option<String>,
}

pub(super) async fn account(tx: &mut PlatformTx, email: &str) -> Result<Option<Account>, PgError> {
    let row = sqlx::query_as(
        "select p.principal_id, p.email, pr.display_name, p.password_hash, \
           p.system_administrator, pr.disabled_at \
         from platform.people p join platform.principals pr on pr.id = p.principal_id \
         where p.email = $1",
    )
    .bind(email)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// The person of a sign-in that was begun.
pub(super) async fn account_of(
    tx: &mut PlatformTx,
    person: Uuid,
) -> Result<Option<Account>, PgError> {
    let row = sqlx::query_as(
        "select p.principal_id, p.email, pr.display_name, p.password_hash, \
           p.system_administrator, pr.disabled_at \
         from platform.people p join platform.principals pr on pr.id = p.principal_id \
         where p.principal_id = $1",
    )
    .bind(person)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Whether the password that was checked is still the account's. Who changes it waits for the end
/// of this transaction, and finds the session that it opens.
pub(super) async fn password_stands(
    tx: &mut PlatformTx,
    account: &Account,
) -> Result<bool, PgError> {
    let stands = sqlx::query_scalar(
        "select password_hash = $2 from platform.people where principal_id = $1 for share",
    )
    .bind(account.principal_id)
    .bind(&account.password_hash)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(stands.unwrap_or(false))
}

/// By e-mail and not by id, so that an unknown e-mail costs the same queries.
pub(super) async fn memberships(
    tx: &mut PlatformTx,
    email: &str,
) -> Result<Vec<Membership>, PgError> {
    let rows = sqlx::query_as(
        "select t.id as tenant_id, t.slug, t.name, t.state, m.role, t.second_factor_required \
         from platform.people p \
         join platform.memberships m on m.principal_id = p.principal_id \
         join platform.tenants t on t.id = m.tenant_id \
         where p.email = $1 order by t.slug",
    )
    .bind(email)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(super) async fn insert(tx: &mut PlatformTx, session: &NewSession<'_>) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.sessions \
           (id, token_hash, principal_id, tenant_id, created_at, expires_at, auth_time, amr, \
            client, network, identity_provider_id) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(session.id)
    .bind(session.token_hash.as_slice())
    .bind(session.principal_id)
    .bind(session.tenant_id)
    .bind(session.created_at)
    .bind(session.expires_at)
    .bind(session.auth_time)
    .bind(session.amr)
    .bind(session.client)
    .bind(session.network)
    .bind(session.provider)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// By a session's token, or by the one before if another took its place after `rotated_after`. That
/// one is worth what it was worth then: whoever copied it has no part in what was proved since.
pub(super) async fn standing(
    tx: &mut PlatformTx,
    token_hash: &[u8; 32],
    rotated_after: OffsetDateTime,
) -> Result<Option<Standing>, PgError> {
    let row = sqlx::query_as(
        "select s.id, s.principal_id, s.tenant_id, s.expires_at, s.revoked_at, pr.disabled_at, \
           p.system_administrator, t.state as tenant_state, m.role, s.identity_provider_id, \
           case when s.token_hash = $1 then coalesce(s.auth_time, s.created_at) \
             else s.previous_auth_time end as auth_time, \
           case when s.token_hash = $1 then s.amr else s.previous_amr end as amr, \
           coalesce(s.last_used_at, s.created_at) as last_used_at, \
           coalesce(t.second_factor_required, false) as second_factor_required, \
           floor(extract(epoch from statement_timestamp()) * 1000)::bigint as read_ms \
         from platform.sessions s \
         join platform.people p on p.principal_id = s.principal_id \
         join platform.principals pr on pr.id = s.principal_id \
         left join platform.tenants t on t.id = s.tenant_id \
         left join platform.memberships m \
           on m.tenant_id = s.tenant_id and m.principal_id = s.principal_id \
         where s.token_hash = $1 or (s.previous_hash = $1 and s.rotated_at > $2)",
    )
    .bind(token_hash.as_slice())
    .bind(rotated_after)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn revoke(
    tx: &mut PlatformTx,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.sessions set revoked_at = $2 where id = $1 and revoked_at is null",
    )
    .bind(id)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Adds what was shown since to a session, if it still stands.
pub(crate) async fn mark(
    tx: &mut PlatformTx,
    id: Uuid,
    shown: &[&str],
    now: OffsetDateTime,
) -> Result<bool, PgError> {
    let done = sqlx::query(
        "update platform.sessions \
         set amr = array(select distinct mark from unnest(amr || $2::text[]) as mark order by mark) \
         where id = $1 and revoked_at is null and expires_at > $3",
    )
    .bind(id)
    .bind(shown)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends all sessions of a person but one; how many there were.
pub(crate) async fn end_others(
    tx: &mut PlatformTx,
    person: Uuid,
    keep: Option<SessionId>,
    now: OffsetDateTime,
) -> Result<u64, PgError> {
    let done = sqlx::query(
        "update platform.sessions set revoked_at = $3 \
         where principal_id = $1 and id is distinct from $2 and revoked_at is null \
           and expires_at > $3",
    )
    .bind(person)
    .bind(keep.map(SessionId::uuid))
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

pub(super) async fn names(
    tx: &mut PlatformTx,
    principal: Uuid,
    tenant: Option<Uuid>,
) -> Result<Names, PgError> {
    let row = sqlx::query_as(
        "select p.email, pr.display_name, t.slug, t.name \
         from platform.people p join platform.principals pr on pr.id = p.principal_id \
         left join platform.tenants t on t.id = $2 \
         where p.principal_id = $1",
    )
    .bind(principal)
    .bind(tenant)
    .fetch_one(&mut **tx)
    .await?;
    Ok(row)
}
