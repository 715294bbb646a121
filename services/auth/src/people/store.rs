use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

use super::accounts::NewAccount;

/// Changes of a tenant's members and invitations wait for each other here, so that what is counted
/// stays true until the end of the transaction. New rows that point at the tenant do not wait.
pub(crate) async fn lock_tenant(tx: &mut PlatformTx, tenant: Uuid) -> Result<(), PgError> {
    sqlx::query("select from platform.tenants where id = $1 for no key update")
        .bind(tenant)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(super) async fn insert_principal(
    tx: &mut PlatformTx,
    account: &NewAccount<'_>,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.principals (id, kind, display_name, created_at) \
         values ($1, 'person', $2, $3)",
    )
    .bind(account.id)
    .bind(account.display_name)
    .bind(account.at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn insert_person(
    tx: &mut PlatformTx,
    account: &NewAccount<'_>,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.people \
           (principal_id, email, password_hash, email_verified_at, locale) \
         values ($1, $2, $3, $4, $5)",
    )
    .bind(account.id)
    .bind(account.email)
    .bind(account.password_hash)
    .bind(account.proved.then_some(account.at))
    .bind(account.locale)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Asks again whether the account is nobody's, under its lock: `Missing` when it is in use by now.
/// Nothing that whoever had it could come in by is left: factors, links to providers, sessions.
pub(super) async fn take_up(
    tx: &mut PlatformTx,
    principal: Uuid,
    account: &NewAccount<'_>,
) -> Result<(), PgError> {
    sqlx::query("select from platform.people where principal_id = $1 for update")
        .bind(principal)
        .execute(&mut **tx)
        .await?;
    let done = sqlx::query(
        "update platform.people p set password_hash = $2, email_verified_at = $3, \
           locale = coalesce($4, p.locale) \
         where p.principal_id = $1 and not p.system_administrator \
           and not exists (select from platform.memberships m where m.principal_id = $1)",
    )
    .bind(principal)
    .bind(account.password_hash)
    .bind(account.at)
    .bind(account.locale)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() != 1 {
        return Err(PgError::Missing);
    }
    for forget in [
        "delete from platform.passkeys where principal_id = $1",
        "delete from platform.totp_secrets where principal_id = $1",
        "delete from platform.recovery_codes where principal_id = $1",
        "delete from platform.identity_links where principal_id = $1",
    ] {
        sqlx::query(forget).bind(principal).execute(&mut **tx).await?;
    }
    sqlx::query(
        "update platform.sessions set revoked_at = $2 \
         where principal_id = $1 and revoked_at is null and expires_at > $2",
    )
    .bind(principal)
    .bind(account.at)
    .execute(&mut **tx)
    .await?;
    sqlx::query("update platform.principals set display_name = $2 where id = $1")
        .bind(principal)
        .bind(account.display_name)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(super) async fn note_verified(
    tx: &mut PlatformTx,
    principal: Uuid,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.people set email_verified_at = $2 \
         where principal_id = $1 and email_verified_at is null",
    )
    .bind(principal)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn add_member(
    tx: &mut PlatformTx,
    tenant: Uuid,
    principal: Uuid,
    role: &str,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.memberships (tenant_id, principal_id, role, created_at) \
         values ($1, $2, $3, $4)",
    )
    .bind(tenant)
    .bind(principal)
    .bind(role)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
