use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

/// A registered client.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Client {
    pub(super) id: Uuid,
    pub(super) tenant_id: Uuid,
    pub(super) name: String,
    pub(super) redirect_uris: Vec<String>,
    pub(super) abilities: Vec<String>,
    pub(super) first_party: bool,
    pub(super) created_at: OffsetDateTime,
    pub(super) deleted_at: Option<OffsetDateTime>,
}

/// A code that was handed out.
#[derive(Debug, Clone, FromRow)]
pub(super) struct CodeRow {
    pub(super) tenant_id: Uuid,
    pub(super) client_id: Uuid,
    pub(super) principal_id: Uuid,
    pub(super) browser_session_id: Uuid,
    pub(super) redirect_uri: String,
    pub(super) code_challenge: String,
    pub(super) scopes: Vec<String>,
    pub(super) nonce: Option<String>,
    pub(super) auth_time: OffsetDateTime,
    pub(super) amr: Vec<String>,
    pub(super) expires_at: OffsetDateTime,
    pub(super) used_at: Option<OffsetDateTime>,
    pub(super) session_id: Option<Uuid>,
}

/// A grant to be stored, together with its session.
#[derive(Debug)]
pub(super) struct NewFamily<'c> {
    pub(super) id: Uuid,
    pub(super) session_id: Uuid,
    /// Of a session token that nobody has.
    pub(super) session_hash: [u8; 32],
    pub(super) code: &'c CodeRow,
    pub(super) created_at: OffsetDateTime,
    pub(super) expires_at: OffsetDateTime,
    pub(super) ends_at: OffsetDateTime,
    pub(super) leaf_hash: Option<[u8; 32]>,
}

/// A grant, locked until the transaction ends.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Family {
    pub(super) session_id: Uuid,
    pub(super) client_id: Uuid,
    pub(super) leaf_hash: Option<Vec<u8>>,
    pub(super) previous_hash: Option<Vec<u8>>,
    pub(super) successor_sealed: Option<Vec<u8>>,
    pub(super) rotated_at: Option<OffsetDateTime>,
    pub(super) ends_at: OffsetDateTime,
}

/// A grant with everything that may have ended it since.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Standing {
    pub(super) session_id: Uuid,
    pub(super) principal_id: Uuid,
    pub(super) tenant_id: Uuid,
    pub(super) client_id: Uuid,
    pub(super) scopes: Vec<String>,
    pub(super) auth_time: OffsetDateTime,
    pub(super) amr: Vec<String>,
    pub(super) expires_at: OffsetDateTime,
    pub(super) revoked_at: Option<OffsetDateTime>,
    pub(super) disabled_at: Option<OffsetDateTime>,
    pub(super) client_deleted_at: Option<OffsetDateTime>,
    pub(super) tenant_state: String,
    pub(super) role: Option<String>,
    pub(super) second_factor_required: bool,
    pub(super) email: String,
    pub(super) display_name: String,
    /// Not later than what is read here was true, by the database's clock.
    pub(super) read_ms: i64,
}

pub(super) async fn client(tx: &mut PlatformTx, id: Uuid) -> Result<Option<Client>, PgError> {
    let row = sqlx::query_as(
        "select id, tenant_id, name, redirect_uris, abilities, first_party, created_at, deleted_at \
         from platform.oauth_clients where id = $1 and deleted_at is null",
    )
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Its tenant's slug, for the page that asks people to sign in.
pub(super) async fn slug(tx: &mut PlatformTx, tenant: Uuid) -> Result<String, PgError> {
    let slug = sqlx::query_scalar("select slug from platform.tenants where id = $1")
        .bind(tenant)
        .fetch_one(&mut **tx)
        .await?;
    Ok(slug)
}

/// Stores a code, and lets go of those that nobody can replay any more.
pub(super) async fn insert_code(
    tx: &mut PlatformTx,
    hash: &[u8; 32],
    code: &CodeRow,
    forget_before: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query("delete from platform.oauth_codes where expires_at < $1")
        .bind(forget_before)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "insert into platform.oauth_codes \
           (code_hash, tenant_id, client_id, principal_id, browser_session_id, redirect_uri, \
            code_challenge, scopes, nonce, auth_time, amr, expires_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(hash.as_slice())
    .bind(code.tenant_id)
    .bind(code.client_id)
    .bind(code.principal_id)
    .bind(code.browser_session_id)
    .bind(&code.redirect_uri)
    .bind(&code.code_challenge)
    .bind(&code.scopes)
    .bind(&code.nonce)
    .bind(code.auth_time)
    .bind(&code.amr)
    .bind(code.expires_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The code, unless the browser's session ended meanwhile. Locked: of two who redeem it, one is
/// second.
pub(super) async fn code(tx: &mut PlatformTx, hash: &[u8; 32]) -> Result<Option<CodeRow>, PgError> {
    let row = sqlx::query_as(
        "select c.tenant_id, c.client_id, c.principal_id, c.browser_session_id, c.redirect_uri, \
           c.code_challenge, c.scopes, c.nonce, c.auth_time, c.amr, c.expires_at, c.used_at, \
           c.session_id \
         from platform.oauth_codes c \
         join platform.sessions s on s.id = c.browser_session_id \
         where c.code_hash = $1 and (s.revoked_at is null or c.used_at is not null) \
         for update of c",
    )
    .bind(hash.as_slice())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// `session` is none for a code that was burnt.
pub(super) async fn use_code(
    tx: &mut PlatformTx,
    hash: &[u8; 32],
    session: Option<Uuid>,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.oauth_codes set used_at = $3, session_id = $2 where code_hash = $1",
    )
    .bind(hash.as_slice())
    .bind(session)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn insert_family(
    tx: &mut PlatformTx,
    family: &NewFamily<'_>,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.sessions \
           (id, token_hash, principal_id, tenant_id, created_at, expires_at, auth_time, amr) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(family.session_id)
    .bind(family.session_hash.as_slice())
    .bind(family.code.principal_id)
    .bind(family.code.tenant_id)
    .bind(family.created_at)
    .bind(family.expires_at)
    .bind(family.code.auth_time)
    .bind(&family.code.amr)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "insert into platform.oauth_families \
           (id, session_id, tenant_id, client_id, scopes, auth_time, amr, ends_at, leaf_hash) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(family.id)
    .bind(family.session_id)
    .bind(family.code.tenant_id)
    .bind(family.code.client_id)
    .bind(&family.code.scopes)
    .bind(family.code.auth_time)
    .bind(&family.code.amr)
    .bind(family.ends_at)
    .bind(family.leaf_hash.as_ref().map(<[u8; 32]>::as_slice))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn family(tx: &mut PlatformTx, id: Uuid) -> Result<Option<Family>, PgError> {
    let row = sqlx::query_as(
        "select session_id, client_id, leaf_hash, previous_hash, successor_sealed, rotated_at, \
           ends_at from platform.oauth_families where id = $1 for update",
    )
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Puts a new leaf in place of the old one, and moves the session's end.
pub(super) async fn rotate(
    tx: &mut PlatformTx,
    id: Uuid,
    leaf_hash: &[u8; 32],
    successor_sealed: &[u8],
    (now, expires_at): (OffsetDateTime, OffsetDateTime),
) -> Result<(), PgError> {
    sqlx::query(
        "with f as (update platform.oauth_families set previous_hash = leaf_hash, leaf_hash = $2, \
             successor_sealed = $3, rotated_at = $4, rotations = rotations + 1 \
           where id = $1 returning session_id) \
         update platform.sessions s set expires_at = $5 from f where s.id = f.session_id",
    )
    .bind(id)
    .bind(leaf_hash.as_slice())
    .bind(successor_sealed)
    .bind(now)
    .bind(expires_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn standing(
    tx: &mut PlatformTx,
    session: Uuid,
) -> Result<Option<Standing>, PgError> {
    let row = sqlx::query_as(
        "select s.id as session_id, s.principal_id, f.tenant_id, f.client_id, f.scopes, \
           f.auth_time, f.amr, s.expires_at, s.revoked_at, pr.disabled_at, \
           c.deleted_at as client_deleted_at, t.state as tenant_state, m.role, \
           t.second_factor_required, p.email, pr.display_name, \
           floor(extract(epoch from statement_timestamp()) * 1000)::bigint as read_ms \
         from platform.oauth_families f \
         join platform.sessions s on s.id = f.session_id \
         join platform.oauth_clients c on c.id = f.client_id \
         join platform.people p on p.principal_id = s.principal_id \
         join platform.principals pr on pr.id = s.principal_id \
         join platform.tenants t on t.id = f.tenant_id \
         left join platform.memberships m \
           on m.tenant_id = f.tenant_id and m.principal_id = s.principal_id \
         where f.session_id = $1",
    )
    .bind(session)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Ends a grant; the table's trigger tells the feed.
pub(super) async fn end(
    tx: &mut PlatformTx,
    session: Uuid,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.sessions set revoked_at = $2 where id = $1 and revoked_at is null",
    )
    .bind(session)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
