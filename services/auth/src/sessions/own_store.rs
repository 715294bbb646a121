use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

/// A session as its owner sees it.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) created_at: OffsetDateTime,
    pub(super) last_used_at: Option<OffsetDateTime>,
    pub(super) expires_at: OffsetDateTime,
    pub(super) client: String,
    pub(super) network: String,
    pub(super) slug: Option<String>,
    pub(super) application: Option<String>,
    pub(super) amr: Vec<String>,
}

/// Those that stand, newest first, from behind `after`.
pub(super) async fn page(
    tx: &mut PlatformTx,
    person: Uuid,
    now: OffsetDateTime,
    after: Option<Uuid>,
    most: i64,
) -> Result<Vec<Row>, PgError> {
    let rows = sqlx::query_as(
        "select s.id, s.created_at, coalesce(s.last_used_at, f.rotated_at) as last_used_at, \
           s.expires_at, s.client, s.network, t.slug, c.name as application, s.amr \
         from platform.sessions s left join platform.tenants t on t.id = s.tenant_id \
         left join platform.oauth_families f on f.session_id = s.id \
         left join platform.oauth_clients c on c.id = f.client_id \
         where s.principal_id = $1 and s.revoked_at is null and s.expires_at > $2 \
           and ($3::uuid is null or s.id < $3) \
         order by s.id desc limit $4",
    )
    .bind(person)
    .bind(now)
    .bind(after)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// False when the person has no such session; one that has ended stays as it is.
pub(super) async fn revoke(
    tx: &mut PlatformTx,
    person: Uuid,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<bool, PgError> {
    let done = sqlx::query(
        "update platform.sessions set revoked_at = coalesce(revoked_at, $3) \
         where id = $2 and principal_id = $1",
    )
    .bind(person)
    .bind(id)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whoever ends many sessions of a person waits here for whoever else does, so that they cannot
/// wait for each other over single ones.
pub(crate) async fn lock_person(tx: &mut PlatformTx, person: Uuid) -> Result<(), PgError> {
    sqlx::query("select from platform.people where principal_id = $1 for no key update")
        .bind(person)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Ends what a person has open in a tenant; how many there were.
pub(crate) async fn revoke_in_tenant(
    tx: &mut PlatformTx,
    tenant: Uuid,
    person: Uuid,
    now: OffsetDateTime,
) -> Result<u64, PgError> {
    let done = sqlx::query(
        "update platform.sessions set revoked_at = $3 \
         where tenant_id = $1 and principal_id = $2 and revoked_at is null and expires_at > $3",
    )
    .bind(tenant)
    .bind(person)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Gives a session that stands another token and notes what was shown; when it ends, or `None` when
/// it has ended. Only what proves who it is (`proved`) makes the proof a new one. The token before
/// keeps what it was worth.
pub(super) async fn renew(
    tx: &mut PlatformTx,
    id: Uuid,
    token_hash: &[u8; 32],
    shown: &[&str],
    proved: bool,
    now: OffsetDateTime,
) -> Result<Option<OffsetDateTime>, PgError> {
    let ends = sqlx::query_scalar(
        "update platform.sessions set previous_hash = token_hash, previous_amr = amr, \
           previous_auth_time = coalesce(auth_time, created_at), rotated_at = $4, \
           token_hash = $2, \
           auth_time = case when $5 then $4 else coalesce(auth_time, created_at) end, \
           amr = array(select distinct mark from unnest(amr || $3::text[]) as mark order by mark) \
         where id = $1 and revoked_at is null and expires_at > $4 returning expires_at",
    )
    .bind(id)
    .bind(token_hash.as_slice())
    .bind(shown)
    .bind(now)
    .bind(proved)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(ends)
}

/// Notes a use. Two that note one at the same time write the same.
pub(super) async fn touch(
    tx: &mut PlatformTx,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query("update platform.sessions set last_used_at = $2 where id = $1")
        .bind(id)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Ends those that nobody has used since `before`, `most` at a time; how many there were. Grants of
/// OAuth clients have ends of their own.
pub(super) async fn end_idle(
    tx: &mut PlatformTx,
    before: OffsetDateTime,
    now: OffsetDateTime,
    most: i64,
) -> Result<u64, PgError> {
    let done = sqlx::query(
        "update platform.sessions set revoked_at = $2 where id in (\
           select id from platform.sessions where revoked_at is null and expires_at > $2 \
             and coalesce(last_used_at, created_at) <= $1 \
             and not exists (select from platform.oauth_families f where f.session_id = sessions.id) \
           limit $3 for update skip locked)",
    )
    .bind(before)
    .bind(now)
    .bind(most)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// The new password of a person, if the old one is still what it was.
pub(super) async fn set_password(
    tx: &mut PlatformTx,
    person: Uuid,
    before: &str,
    hash: &str,
) -> Result<bool, PgError> {
    let done = sqlx::query(
        "update platform.people set password_hash = $3 \
         where principal_id = $1 and password_hash = $2",
    )
    .bind(person)
    .bind(before)
    .bind(hash)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}
