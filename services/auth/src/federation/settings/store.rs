use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

use crate::federation::store::Provider;

/// How many providers the tenant has. Who counts at the same time waits until the transaction ends,
/// so that two cannot both be the last.
pub(super) async fn count(tx: &mut PlatformTx, tenant: Uuid) -> Result<i64, PgError> {
    sqlx::query(
        "select pg_advisory_xact_lock(hashtextextended('identity providers ' || $1::text, 0))",
    )
    .bind(tenant)
    .execute(&mut **tx)
    .await?;
    let count = sqlx::query_scalar(
        "select count(*) from platform.identity_providers \
         where tenant_id = $1 and deleted_at is null",
    )
    .bind(tenant)
    .fetch_one(&mut **tx)
    .await?;
    Ok(count)
}

/// Whether anybody may have made the tenant, by registering.
pub(super) async fn is_self_registered(tx: &mut PlatformTx, tenant: Uuid) -> Result<bool, PgError> {
    let query = "select self_registered from platform.tenants where id = $1";
    Ok(sqlx::query_scalar(query).bind(tenant).fetch_one(&mut **tx).await?)
}

pub(super) async fn insert(
    tx: &mut PlatformTx,
    provider: &Provider,
    created_by: &str,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.identity_providers \
           (id, tenant_id, name, issuer, client_id, client_secret_sealed, scopes, groups_claim, \
            rule_groups, rule_roles, default_role, email_domains, create_people, created_by, \
            created_at, disabled_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(provider.id)
    .bind(provider.tenant_id)
    .bind(&provider.name)
    .bind(&provider.issuer)
    .bind(&provider.client_id)
    .bind(&provider.client_secret_sealed)
    .bind(&provider.scopes)
    .bind(&provider.groups_claim)
    .bind(&provider.rule_groups)
    .bind(&provider.rule_roles)
    .bind(&provider.default_role)
    .bind(&provider.email_domains)
    .bind(provider.create_people)
    .bind(created_by)
    .bind(provider.created_at)
    .bind(provider.disabled_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn all(tx: &mut PlatformTx, tenant: Uuid) -> Result<Vec<Provider>, PgError> {
    let rows = sqlx::query_as(
        "select id, tenant_id, name, issuer, client_id, client_secret_sealed, scopes, \
           groups_claim, rule_groups, rule_roles, default_role, email_domains, create_people, \
           created_at, disabled_at, changed_at, version \
         from platform.identity_providers where tenant_id = $1 and deleted_at is null \
         order by name, id",
    )
    .bind(tenant)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// One of the tenant's. Nobody signs in by it, and nobody changes it, before the transaction ends.
pub(super) async fn keep(
    tx: &mut PlatformTx,
    tenant: Uuid,
    id: Uuid,
) -> Result<Option<Provider>, PgError> {
    let row = sqlx::query_as(
        "select id, tenant_id, name, issuer, client_id, client_secret_sealed, scopes, \
           groups_claim, rule_groups, rule_roles, default_role, email_domains, create_people, \
           created_at, disabled_at, changed_at, version \
         from platform.identity_providers \
         where id = $1 and tenant_id = $2 and deleted_at is null for update",
    )
    .bind(id)
    .bind(tenant)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Stores what a provider is from now on; the issuer is what it was.
pub(super) async fn update(tx: &mut PlatformTx, provider: &Provider) -> Result<(), PgError> {
    sqlx::query(
        "update platform.identity_providers set name = $2, client_id = $3, \
           client_secret_sealed = $4, scopes = $5, groups_claim = $6, rule_groups = $7, \
           rule_roles = $8, default_role = $9, email_domains = $10, create_people = $11, \
           disabled_at = $12, changed_at = $13, version = $14 where id = $1",
    )
    .bind(provider.id)
    .bind(&provider.name)
    .bind(&provider.client_id)
    .bind(&provider.client_secret_sealed)
    .bind(&provider.scopes)
    .bind(&provider.groups_claim)
    .bind(&provider.rule_groups)
    .bind(&provider.rule_roles)
    .bind(&provider.default_role)
    .bind(&provider.email_domains)
    .bind(provider.create_people)
    .bind(provider.disabled_at)
    .bind(provider.changed_at)
    .bind(provider.version)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends the sessions that a provider opened.
pub(super) async fn end_sessions(
    tx: &mut PlatformTx,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.sessions set revoked_at = $2 \
         where identity_provider_id = $1 and revoked_at is null",
    )
    .bind(id)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Takes a provider away, with the sessions that it opened; `false` if it is not the tenant's. Its
/// links go to another of the tenant's providers of the same issuer, which knows the same people, as
/// one with a newer secret; without such a one they are forgotten.
pub(super) async fn delete(
    tx: &mut PlatformTx,
    tenant: Uuid,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<bool, PgError> {
    let done = sqlx::query(
        "update platform.identity_providers \
         set deleted_at = coalesce(deleted_at, $3), client_secret_sealed = null \
         where id = $1 and tenant_id = $2",
    )
    .bind(id)
    .bind(tenant)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query(
        "update platform.identity_links l set provider_id = other.id \
         from platform.identity_providers gone join lateral ( \
           select p.id from platform.identity_providers p \
           where p.tenant_id = gone.tenant_id and p.issuer = gone.issuer and p.deleted_at is null \
           order by p.disabled_at is not null, p.created_at desc, p.id limit 1) other on true \
         where gone.id = $1 and l.provider_id = gone.id",
    )
    .bind(id)
    .execute(&mut **tx)
    .await?;
    sqlx::query("delete from platform.identity_links where provider_id = $1")
        .bind(id)
        .execute(&mut **tx)
        .await?;
    end_sessions(tx, id, now).await?;
    Ok(true)
}
