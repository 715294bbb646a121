use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_ids::TenantId;
use yard_pg::{PgError, PlatformTx};

/// An invitation as those see it who sent it.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) email: String,
    pub(super) role: String,
    pub(super) locale: Option<String>,
    pub(super) created_at: OffsetDateTime,
    pub(super) mailed_at: OffsetDateTime,
    pub(super) expires_at: OffsetDateTime,
    pub(super) withdrawn_at: Option<OffsetDateTime>,
    pub(super) invited_by: String,
}

/// An invitation to be stored.
pub(super) struct NewInvitation<'a> {
    pub(super) id: Uuid,
    pub(super) tenant: TenantId,
    pub(super) email: &'a str,
    pub(super) role: &'a str,
    pub(super) locale: Option<&'a str>,
    pub(super) token_hash: [u8; 32],
    pub(super) invited_by: Uuid,
    pub(super) at: OffsetDateTime,
    pub(super) expires_at: OffsetDateTime,
}

/// What a mail says of the tenant and of who invites.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Sender {
    pub(super) tenant_name: String,
    pub(super) tenant_locale: String,
    pub(super) inviter: String,
}

/// What a link leads to.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Offer {
    pub(super) id: Uuid,
    pub(super) tenant_id: Uuid,
    pub(super) tenant_slug: String,
    pub(super) tenant_name: String,
    pub(super) email: String,
    pub(super) role: String,
    pub(super) locale: Option<String>,
    pub(super) expires_at: OffsetDateTime,
    /// The account of the address, if it has one.
    pub(super) principal_id: Option<Uuid>,
    /// Whether that account can sign in somewhere.
    pub(super) account_in_use: bool,
    pub(super) account_disabled: bool,
}

pub(super) async fn sender(
    tx: &mut PlatformTx,
    tenant: TenantId,
    inviter: Uuid,
) -> Result<Option<Sender>, PgError> {
    let row = sqlx::query_as(
        "select t.name as tenant_name, t.locale as tenant_locale, pr.display_name as inviter \
         from platform.tenants t, platform.principals pr where t.id = $1 and pr.id = $2",
    )
    .bind(tenant.uuid())
    .bind(inviter)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn is_member(
    tx: &mut PlatformTx,
    tenant: TenantId,
    email: &str,
) -> Result<bool, PgError> {
    let found = sqlx::query_scalar(
        "select exists (select from platform.memberships m \
           join platform.people p on p.principal_id = m.principal_id \
           where m.tenant_id = $1 and p.email = $2)",
    )
    .bind(tenant.uuid())
    .bind(email)
    .fetch_one(&mut **tx)
    .await?;
    Ok(found)
}

/// Makes room for a new one: an address's invitation that is past its time is withdrawn.
pub(super) async fn clear_expired(
    tx: &mut PlatformTx,
    tenant: TenantId,
    email: &str,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.invitations set withdrawn_at = $3 \
         where tenant_id = $1 and email = $2 and accepted_at is null and withdrawn_at is null \
           and expires_at <= $3",
    )
    .bind(tenant.uuid())
    .bind(email)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// How many are open, and how many mails were written since a moment.
pub(super) async fn counts(
    tx: &mut PlatformTx,
    tenant: TenantId,
    now: OffsetDateTime,
    since: OffsetDateTime,
) -> Result<(i64, i64), PgError> {
    let counts = sqlx::query_as(
        "select (select count(*) from platform.invitations \
           where tenant_id = $1 and accepted_at is null and withdrawn_at is null \
             and expires_at > $2), \
         (select count(*) from platform.mails \
           where tenant_id = $1 and kind = 'invitation' and created_at > $3)",
    )
    .bind(tenant.uuid())
    .bind(now)
    .bind(since)
    .fetch_one(&mut **tx)
    .await?;
    Ok(counts)
}

/// When an address last got a mail of this tenant.
pub(super) async fn last_mailed(
    tx: &mut PlatformTx,
    tenant: TenantId,
    email: &str,
) -> Result<Option<OffsetDateTime>, PgError> {
    let last = sqlx::query_scalar(
        "select max(mailed_at) from platform.invitations where tenant_id = $1 and email = $2",
    )
    .bind(tenant.uuid())
    .bind(email)
    .fetch_one(&mut **tx)
    .await?;
    Ok(last)
}

pub(super) async fn insert(
    tx: &mut PlatformTx,
    invitation: &NewInvitation<'_>,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.invitations (id, tenant_id, email, role, locale, token_hash, \
           invited_by, created_at, mailed_at, expires_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)",
    )
    .bind(invitation.id)
    .bind(invitation.tenant.uuid())
    .bind(invitation.email)
    .bind(invitation.role)
    .bind(invitation.locale)
    .bind(invitation.token_hash.as_slice())
    .bind(invitation.invited_by)
    .bind(invitation.at)
    .bind(invitation.expires_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// One that is not accepted.
pub(super) async fn get(
    tx: &mut PlatformTx,
    tenant: TenantId,
    id: Uuid,
) -> Result<Option<Row>, PgError> {
    let row = sqlx::query_as(
        "select i.id, i.email, i.role, i.locale, i.created_at, i.mailed_at, i.expires_at, \
           i.withdrawn_at, pr.display_name as invited_by \
         from platform.invitations i join platform.principals pr on pr.id = i.invited_by \
         where i.tenant_id = $1 and i.id = $2 and i.accepted_at is null",
    )
    .bind(tenant.uuid())
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Open ones and those past their time, newest first, from behind `after`.
pub(super) async fn list(
    tx: &mut PlatformTx,
    tenant: TenantId,
    since: OffsetDateTime,
    after: Option<Uuid>,
    most: i64,
) -> Result<Vec<Row>, PgError> {
    let rows = sqlx::query_as(
        "select i.id, i.email, i.role, i.locale, i.created_at, i.mailed_at, i.expires_at, \
           i.withdrawn_at, pr.display_name as invited_by \
         from platform.invitations i join platform.principals pr on pr.id = i.invited_by \
         where i.tenant_id = $1 and i.accepted_at is null and i.withdrawn_at is null \
           and i.expires_at > $2 and ($3::uuid is null or i.id < $3) \
         order by i.id desc limit $4",
    )
    .bind(tenant.uuid())
    .bind(since)
    .bind(after)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// Gives an invitation another link; the one before is void with that.
pub(super) async fn renew(
    tx: &mut PlatformTx,
    id: Uuid,
    token_hash: &[u8; 32],
    at: OffsetDateTime,
    expires_at: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.invitations set token_hash = $2, mailed_at = $3, expires_at = $4 \
         where id = $1",
    )
    .bind(id)
    .bind(token_hash.as_slice())
    .bind(at)
    .bind(expires_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn withdraw(
    tx: &mut PlatformTx,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.invitations set withdrawn_at = $2 \
         where id = $1 and accepted_at is null and withdrawn_at is null",
    )
    .bind(id)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What a link leads to while it is good, the tenant is open and has the role.
pub(super) async fn offer(
    tx: &mut PlatformTx,
    token_hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<Offer>, PgError> {
    let row = sqlx::query_as(
        "select i.id, i.tenant_id, t.slug as tenant_slug, t.name as tenant_name, i.email, i.role, \
           i.locale, i.expires_at, p.principal_id, \
           coalesce(p.system_administrator, false) \
             or exists (select from platform.memberships m \
                        where m.principal_id = p.principal_id) as account_in_use, \
           pr.disabled_at is not null as account_disabled \
         from platform.invitations i \
         join platform.tenants t on t.id = i.tenant_id \
         left join platform.people p on p.email = i.email \
         left join platform.principals pr on pr.id = p.principal_id \
         where i.token_hash = $1 and i.accepted_at is null and i.withdrawn_at is null \
           and i.expires_at > $2 and t.state = 'ready' \
           and (i.role in ('owner', 'operator', 'viewer') or exists (select from platform.roles r \
                where r.tenant_id = i.tenant_id and r.role = i.role))",
    )
    .bind(token_hash.as_slice())
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Uses a link up. False when somebody was faster, or it is good no more.
pub(super) async fn consume(
    tx: &mut PlatformTx,
    token_hash: &[u8; 32],
    by: Uuid,
    now: OffsetDateTime,
) -> Result<bool, PgError> {
    let done = sqlx::query(
        "update platform.invitations set accepted_at = $3, accepted_by = $2 \
         where token_hash = $1 and accepted_at is null and withdrawn_at is null \
           and expires_at > $3 and exists (select from platform.tenants t \
             where t.id = invitations.tenant_id and t.state = 'ready')",
    )
    .bind(token_hash.as_slice())
    .bind(by)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}
