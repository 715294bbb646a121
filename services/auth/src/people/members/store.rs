use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_ids::TenantId;
use yard_pg::{PgError, PlatformTx};

use crate::sessions;

/// A member of a tenant.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Member {
    pub(super) principal_id: Uuid,
    pub(super) email: String,
    pub(super) display_name: String,
    pub(super) role: String,
    pub(super) disabled: bool,
    pub(super) email_verified: bool,
    pub(super) joined_at: OffsetDateTime,
}

/// Members by e-mail, from behind `after`. People are of the platform and not of a tenant, so row
/// level security cannot narrow this one: the tenant is bound.
pub(super) async fn members(
    tx: &mut PlatformTx,
    tenant: TenantId,
    after: Option<&str>,
    most: i64,
) -> Result<Vec<Member>, PgError> {
    let rows = sqlx::query_as(
        "select p.principal_id, p.email, pr.display_name, m.role, \
           pr.disabled_at is not null as disabled, \
           p.email_verified_at is not null as email_verified, m.created_at as joined_at \
         from platform.memberships m \
         join platform.people p on p.principal_id = m.principal_id \
         join platform.principals pr on pr.id = p.principal_id \
         where m.tenant_id = $1 and ($2::text is null or p.email > $2) \
         order by p.email limit $3",
    )
    .bind(tenant.uuid())
    .bind(after)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// One member.
pub(super) async fn member(
    tx: &mut PlatformTx,
    tenant: TenantId,
    principal: Uuid,
) -> Result<Option<Member>, PgError> {
    let row = sqlx::query_as(
        "select p.principal_id, p.email, pr.display_name, m.role, \
           pr.disabled_at is not null as disabled, \
           p.email_verified_at is not null as email_verified, m.created_at as joined_at \
         from platform.memberships m \
         join platform.people p on p.principal_id = m.principal_id \
         join platform.principals pr on pr.id = p.principal_id \
         where m.tenant_id = $1 and m.principal_id = $2",
    )
    .bind(tenant.uuid())
    .bind(principal)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Owners beside one, who can sign in. True only under [`crate::people::lock_tenant`].
pub(super) async fn other_owners(
    tx: &mut PlatformTx,
    tenant: TenantId,
    principal: Uuid,
) -> Result<i64, PgError> {
    let count = sqlx::query_scalar(
        "select count(*) from platform.memberships m \
         join platform.principals pr on pr.id = m.principal_id \
         where m.tenant_id = $1 and m.role = 'owner' and m.principal_id <> $2 \
           and pr.disabled_at is null",
    )
    .bind(tenant.uuid())
    .bind(principal)
    .fetch_one(&mut **tx)
    .await?;
    Ok(count)
}

pub(super) async fn set_role(
    tx: &mut PlatformTx,
    tenant: TenantId,
    principal: Uuid,
    role: &str,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.memberships set role = $3 where tenant_id = $1 and principal_id = $2",
    )
    .bind(tenant.uuid())
    .bind(principal)
    .bind(role)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends a membership and what stood on it: sessions and API tokens, which must not live again when
/// the person comes back.
pub(super) async fn remove(
    tx: &mut PlatformTx,
    tenant: TenantId,
    principal: Uuid,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sessions::lock_person(tx, principal).await?;
    sqlx::query("delete from platform.memberships where tenant_id = $1 and principal_id = $2")
        .bind(tenant.uuid())
        .bind(principal)
        .execute(&mut **tx)
        .await?;
    sessions::revoke_in_tenant(tx, tenant.uuid(), principal, now).await?;
    sqlx::query(
        "update platform.api_tokens set revoked_at = $3 \
         where tenant_id = $1 and principal_id = $2 and revoked_at is null",
    )
    .bind(tenant.uuid())
    .bind(principal)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Makes the links void that someone sent who may not invite any more: they could come back by one.
pub(super) async fn withdraw_invitations_of(
    tx: &mut PlatformTx,
    tenant: TenantId,
    inviter: Uuid,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.invitations set withdrawn_at = $3 \
         where tenant_id = $1 and invited_by = $2 and accepted_at is null and withdrawn_at is null",
    )
    .bind(tenant.uuid())
    .bind(inviter)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
