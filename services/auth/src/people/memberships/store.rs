use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

use crate::sessions::Membership;

/// A person as their session shows them.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Account {
    pub(super) email: String,
    pub(super) display_name: String,
    pub(super) system_administrator: bool,
}

/// What a session was worth when it ended.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Left {
    pub(super) auth_time: OffsetDateTime,
    pub(super) amr: Vec<String>,
    pub(super) expires_at: OffsetDateTime,
    /// When it got the token that it had last, and the time of the proof that it had before.
    pub(super) rotated_at: Option<OffsetDateTime>,
    pub(super) previous_auth_time: Option<OffsetDateTime>,
}

/// By slug, from behind `after`.
pub(super) async fn list(
    tx: &mut PlatformTx,
    person: Uuid,
    after: Option<&str>,
    most: i64,
) -> Result<Vec<Membership>, PgError> {
    let rows = sqlx::query_as(
        "select t.id as tenant_id, t.slug, t.name, t.state, t.second_factor_required, m.role \
         from platform.memberships m join platform.tenants t on t.id = m.tenant_id \
         where m.principal_id = $1 and t.state in ('ready', 'suspended') \
           and ($2::text is null or t.slug > $2) \
         order by t.slug limit $3",
    )
    .bind(person)
    .bind(after)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(super) async fn get(
    tx: &mut PlatformTx,
    person: Uuid,
    slug: &str,
) -> Result<Option<Membership>, PgError> {
    let row = sqlx::query_as(
        "select t.id as tenant_id, t.slug, t.name, t.state, t.second_factor_required, m.role \
         from platform.memberships m join platform.tenants t on t.id = m.tenant_id \
         where m.principal_id = $1 and t.slug = $2 and t.state in ('ready', 'suspended')",
    )
    .bind(person)
    .bind(slug)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// The person, who gets no other password until this transaction ends: whoever sets one finds the
/// session that it opens, and ends it.
pub(super) async fn keep_account(
    tx: &mut PlatformTx,
    person: Uuid,
) -> Result<Option<Account>, PgError> {
    let row = sqlx::query_as(
        "select p.email, pr.display_name, p.system_administrator from platform.people p \
         join platform.principals pr on pr.id = p.principal_id \
         where p.principal_id = $1 and pr.disabled_at is null for share of p",
    )
    .bind(person)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Ends a session that goes on elsewhere. None when it has ended, is a grant to an OAuth client, or
/// stands by the word of a tenant's identity provider.
pub(super) async fn leave(
    tx: &mut PlatformTx,
    session: Uuid,
    person: Uuid,
    now: OffsetDateTime,
) -> Result<Option<Left>, PgError> {
    let row = sqlx::query_as(
        "update platform.sessions s set revoked_at = $3 \
         where s.id = $1 and s.principal_id = $2 and s.revoked_at is null and s.expires_at > $3 \
           and s.identity_provider_id is null \
           and not exists (select from platform.oauth_families f where f.session_id = s.id) \
         returning coalesce(s.auth_time, s.created_at) as auth_time, s.amr, s.expires_at, \
           s.rotated_at, s.previous_auth_time",
    )
    .bind(session)
    .bind(person)
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}
