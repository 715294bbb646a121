use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

/// A token as its owner sees it.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) abilities: Vec<String>,
    pub(super) created_at: OffsetDateTime,
    pub(super) expires_at: OffsetDateTime,
    pub(super) last_used_at: Option<OffsetDateTime>,
    pub(super) revoked_at: Option<OffsetDateTime>,
}

/// A token with everything that may have ended it since.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Standing {
    pub(super) token_hash: Vec<u8>,
    pub(super) principal_id: Uuid,
    pub(super) tenant_id: Option<Uuid>,
    pub(super) abilities: Vec<String>,
    pub(super) expires_at: OffsetDateTime,
    pub(super) last_used_at: Option<OffsetDateTime>,
    pub(super) revoked_at: Option<OffsetDateTime>,
    pub(super) disabled_at: Option<OffsetDateTime>,
    pub(super) system_administrator: bool,
    pub(super) tenant_state: Option<String>,
    pub(super) role: Option<String>,
    /// The tenant requires a second factor, and the session that made the token had none.
    pub(super) lacks_factor: bool,
    pub(super) read_ms: i64,
}

/// Whose tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub(super) principal: Uuid,
    pub(super) tenant: Option<Uuid>,
    /// Whether the owner's session has shown a second factor.
    pub(super) multi_factor: bool,
}

pub(super) async fn insert(
    tx: &mut PlatformTx,
    owner: Owner,
    row: &Row,
    token_hash: &[u8; 32],
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.api_tokens \
           (id, token_hash, principal_id, tenant_id, name, abilities, created_at, expires_at, \
            multi_factor) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(row.id)
    .bind(token_hash.as_slice())
    .bind(owner.principal)
    .bind(owner.tenant)
    .bind(&row.name)
    .bind(&row.abilities)
    .bind(row.created_at)
    .bind(row.expires_at)
    .bind(owner.multi_factor)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// How many of the owner's tokens are in force. The owner's row is locked until the transaction
/// ends, so that two who count at once cannot both be the last.
pub(super) async fn in_force(
    tx: &mut PlatformTx,
    owner: Owner,
    now: OffsetDateTime,
) -> Result<i64, PgError> {
    sqlx::query("select from platform.people where principal_id = $1 for update")
        .bind(owner.principal)
        .execute(&mut **tx)
        .await?;
    let count = sqlx::query_scalar(
        "select count(*) from platform.api_tokens \
         where principal_id = $1 and tenant_id is not distinct from $2 \
           and revoked_at is null and expires_at > $3",
    )
    .bind(owner.principal)
    .bind(owner.tenant)
    .bind(now)
    .fetch_one(&mut **tx)
    .await?;
    Ok(count)
}

/// Newest first, from behind `after`; those that ended before `since` are left out.
pub(super) async fn page(
    tx: &mut PlatformTx,
    owner: Owner,
    since: OffsetDateTime,
    after: Option<Uuid>,
    most: i64,
) -> Result<Vec<Row>, PgError> {
    let rows = sqlx::query_as(
        "select id, name, abilities, created_at, expires_at, last_used_at, revoked_at \
         from platform.api_tokens \
         where principal_id = $1 and tenant_id is not distinct from $2 \
           and least(expires_at, revoked_at) > $3 and ($4::uuid is null or id < $4) \
         order by id desc limit $5",
    )
    .bind(owner.principal)
    .bind(owner.tenant)
    .bind(since)
    .bind(after)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// Ends a token of the owner's; gives it back as it is then.
pub(super) async fn revoke(
    tx: &mut PlatformTx,
    owner: Owner,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<Option<Row>, PgError> {
    let row = sqlx::query_as(
        "update platform.api_tokens set revoked_at = coalesce(revoked_at, $4) \
         where id = $1 and principal_id = $2 and tenant_id is not distinct from $3 \
         returning id, name, abilities, created_at, expires_at, last_used_at, revoked_at",
    )
    .bind(id)
    .bind(owner.principal)
    .bind(owner.tenant)
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn standing(tx: &mut PlatformTx, id: Uuid) -> Result<Option<Standing>, PgError> {
    let row = sqlx::query_as(
        "select a.token_hash, a.principal_id, a.tenant_id, a.abilities, a.expires_at, \
           a.last_used_at, a.revoked_at, pr.disabled_at, p.system_administrator, \
           t.state as tenant_state, m.role, \
           coalesce(t.second_factor_required, false) and not a.multi_factor as lacks_factor, \
           floor(extract(epoch from statement_timestamp()) * 1000)::bigint as read_ms \
         from platform.api_tokens a \
         join platform.people p on p.principal_id = a.principal_id \
         join platform.principals pr on pr.id = a.principal_id \
         left join platform.tenants t on t.id = a.tenant_id \
         left join platform.memberships m \
           on m.tenant_id = a.tenant_id and m.principal_id = a.principal_id \
         where a.id = $1",
    )
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Notes a use. Two that note at once write one row twice at most.
pub(super) async fn touch(
    tx: &mut PlatformTx,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query("update platform.api_tokens set last_used_at = $2 where id = $1")
        .bind(id)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
