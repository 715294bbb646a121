use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

/// An identity provider as its tenant has set it up.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Provider {
    pub(super) id: Uuid,
    pub(super) tenant_id: Uuid,
    pub(super) name: String,
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) client_secret_sealed: Option<Vec<u8>>,
    pub(super) scopes: Vec<String>,
    pub(super) groups_claim: String,
    pub(super) rule_groups: Vec<String>,
    pub(super) rule_roles: Vec<String>,
    pub(super) default_role: Option<String>,
    pub(super) email_domains: Vec<String>,
    pub(super) create_people: bool,
    pub(super) created_at: OffsetDateTime,
    /// Since when it lets nobody in.
    pub(super) disabled_at: Option<OffsetDateTime>,
    pub(super) changed_at: Option<OffsetDateTime>,
    /// Another with each change.
    pub(super) version: i32,
}

/// A sign-in, or a link, that is under way.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Flow {
    pub(super) tenant_id: Uuid,
    pub(super) provider_id: Uuid,
    pub(super) binding_hash: Vec<u8>,
    pub(super) nonce: String,
    pub(super) verifier_sealed: Vec<u8>,
    pub(super) principal_id: Option<Uuid>,
    pub(super) expires_at: OffsetDateTime,
}

/// Somebody whom a provider's word lets in, as they stand now.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Linked {
    pub(super) principal_id: Uuid,
    pub(super) disabled_at: Option<OffsetDateTime>,
    pub(super) role: Option<String>,
}

/// The tenant that a provider speaks in.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Place {
    pub(super) slug: String,
    pub(super) state: String,
}

/// A person's identity, as they see it.
#[derive(Debug, Clone, FromRow)]
pub(super) struct LinkRow {
    pub(super) provider_id: Uuid,
    pub(super) provider_name: String,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) linked_at: OffsetDateTime,
}

/// Who is at a provider, by its issuer's name for them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who<'w> {
    pub(super) tenant: Uuid,
    pub(super) issuer: &'w str,
    pub(super) subject: &'w str,
}

/// One that lets people in.
pub(super) async fn provider(tx: &mut PlatformTx, id: Uuid) -> Result<Option<Provider>, PgError> {
    let row = sqlx::query_as(
        "select id, tenant_id, name, issuer, client_id, client_secret_sealed, scopes, \
           groups_claim, rule_groups, rule_roles, default_role, email_domains, create_people, \
           created_at, disabled_at, changed_at, version \
         from platform.identity_providers \
         where id = $1 and deleted_at is null and disabled_at is null",
    )
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Whether a provider still lets people in, by the settings that it was read with; it does until the
/// transaction ends.
pub(super) async fn stands(tx: &mut PlatformTx, provider: &Provider) -> Result<bool, PgError> {
    let row = sqlx::query(
        "select from platform.identity_providers \
         where id = $1 and version = $2 and deleted_at is null and disabled_at is null for share",
    )
    .bind(provider.id)
    .bind(provider.version)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.is_some())
}

/// Providers of an open tenant, for its sign-in page.
pub(super) async fn offered(
    tx: &mut PlatformTx,
    slug: &str,
) -> Result<Vec<(Uuid, String)>, PgError> {
    let rows = sqlx::query_as(
        "select p.id, p.name from platform.identity_providers p \
         join platform.tenants t on t.id = p.tenant_id \
         where t.slug = $1 and t.state = 'ready' and p.deleted_at is null and p.disabled_at is null \
         order by p.name, p.id",
    )
    .bind(slug)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// The tenant as it is.
pub(super) async fn place(tx: &mut PlatformTx, tenant: Uuid) -> Result<Place, PgError> {
    let query = "select slug, state from platform.tenants where id = $1";
    let row = sqlx::query_as(query).bind(tenant).fetch_one(&mut **tx).await?;
    Ok(row)
}

/// Stores a sign-in under way, and lets go of those that nobody can complete any more.
pub(super) async fn begin(
    tx: &mut PlatformTx,
    state_hash: &[u8; 32],
    flow: &Flow,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "delete from platform.federated_sign_ins where state_hash in ( \
           select state_hash from platform.federated_sign_ins where expires_at < $1 \
           limit 100 for update skip locked)",
    )
    .bind(now)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "insert into platform.federated_sign_ins \
           (state_hash, tenant_id, provider_id, binding_hash, nonce, verifier_sealed, \
            principal_id, expires_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(state_hash.as_slice())
    .bind(flow.tenant_id)
    .bind(flow.provider_id)
    .bind(flow.binding_hash.as_slice())
    .bind(&flow.nonce)
    .bind(flow.verifier_sealed.as_slice())
    .bind(flow.principal_id)
    .bind(flow.expires_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Takes a sign-in out: of two who complete it, one finds nothing.
pub(super) async fn take(
    tx: &mut PlatformTx,
    state_hash: &[u8; 32],
) -> Result<Option<Flow>, PgError> {
    let row = sqlx::query_as(
        "delete from platform.federated_sign_ins where state_hash = $1 \
         returning tenant_id, provider_id, binding_hash, nonce, verifier_sealed, principal_id, \
           expires_at",
    )
    .bind(state_hash.as_slice())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Who is linked. The link stays until the transaction ends: whoever takes it away finds the session that
/// came by it.
pub(super) async fn linked(tx: &mut PlatformTx, who: Who<'_>) -> Result<Option<Linked>, PgError> {
    let row = sqlx::query_as(
        "select l.principal_id, pr.disabled_at, m.role \
         from platform.identity_links l \
         join platform.principals pr on pr.id = l.principal_id \
         left join platform.memberships m \
           on m.tenant_id = l.tenant_id and m.principal_id = l.principal_id \
         where l.tenant_id = $1 and l.issuer = $2 and l.subject = $3 for share of l",
    )
    .bind(who.tenant)
    .bind(who.issuer)
    .bind(who.subject)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Links; `false` when the identity is somebody's already.
pub(super) async fn link(
    tx: &mut PlatformTx,
    who: Who<'_>,
    provider: Uuid,
    principal: Uuid,
    now: OffsetDateTime,
) -> Result<bool, PgError> {
    let done = sqlx::query(
        "insert into platform.identity_links \
           (tenant_id, issuer, subject, provider_id, principal_id, linked_at) \
         values ($1, $2, $3, $4, $5, $6) \
         on conflict (tenant_id, issuer, subject) do update set provider_id = $4 \
           where identity_links.principal_id = $5",
    )
    .bind(who.tenant)
    .bind(who.issuer)
    .bind(who.subject)
    .bind(provider)
    .bind(principal)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How many identities a person has in a tenant.
pub(super) async fn count(
    tx: &mut PlatformTx,
    tenant: Uuid,
    principal: Uuid,
) -> Result<i64, PgError> {
    let query = "select count(*) from platform.identity_links \
         where tenant_id = $1 and principal_id = $2";
    let count = sqlx::query_scalar(query).bind(tenant).bind(principal).fetch_one(&mut **tx).await?;
    Ok(count)
}

pub(super) async fn links(
    tx: &mut PlatformTx,
    tenant: Uuid,
    principal: Uuid,
) -> Result<Vec<LinkRow>, PgError> {
    let rows = sqlx::query_as(
        "select l.provider_id, p.name as provider_name, l.issuer, l.subject, l.linked_at \
         from platform.identity_links l \
         join platform.identity_providers p on p.id = l.provider_id \
         where l.tenant_id = $1 and l.principal_id = $2 order by l.linked_at, l.subject limit 100",
    )
    .bind(tenant)
    .bind(principal)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// Takes a person's links to a provider away and ends the sessions that came by them, also through
/// another provider of the same issuer; whether there was one.
pub(super) async fn unlink(
    tx: &mut PlatformTx,
    tenant: Uuid,
    principal: Uuid,
    provider: Uuid,
    now: OffsetDateTime,
) -> Result<bool, PgError> {
    let done = sqlx::query(
        "delete from platform.identity_links \
         where tenant_id = $1 and principal_id = $2 and provider_id = $3",
    )
    .bind(tenant)
    .bind(principal)
    .bind(provider)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "update platform.sessions s set revoked_at = $3 \
         where s.principal_id = $1 and s.revoked_at is null and s.identity_provider_id in ( \
           select p.id from platform.identity_providers p join platform.identity_providers own \
             on own.tenant_id = p.tenant_id and own.issuer = p.issuer where own.id = $2)",
    )
    .bind(principal)
    .bind(provider)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}
