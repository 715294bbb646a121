use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

/// An entry, as it is shown.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) tenant_id: Uuid,
    pub(super) slug: String,
    pub(super) principal_id: Uuid,
    pub(super) display_name: String,
    pub(super) permissions: Vec<String>,
    pub(super) reason: String,
    pub(super) started_at: OffsetDateTime,
    pub(super) expires_at: OffsetDateTime,
    pub(super) ended_at: Option<OffsetDateTime>,
    pub(super) ended_by: String,
}

/// What a session may do in the tenant it entered.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Standing {
    pub(super) id: Uuid,
    pub(super) tenant_id: Uuid,
    pub(super) permissions: Vec<String>,
    pub(super) expires_at: OffsetDateTime,
}

/// An entry to be stored.
pub(super) struct New<'a> {
    pub(super) id: Uuid,
    pub(super) tenant: Uuid,
    pub(super) person: Uuid,
    pub(super) session: Uuid,
    pub(super) permissions: &'a [String],
    pub(super) reason: &'a str,
    pub(super) started_at: OffsetDateTime,
    pub(super) expires_at: OffsetDateTime,
}

/// Which entries, and from where on.
#[derive(Debug, Default)]
pub(super) struct Which {
    pub(super) id: Option<Uuid>,
    pub(super) tenant: Option<Uuid>,
    pub(super) before: Option<Uuid>,
}

pub(super) async fn of_session(
    tx: &mut PlatformTx,
    session: Uuid,
    now: OffsetDateTime,
) -> Result<Option<Standing>, PgError> {
    let row = sqlx::query_as(
        "select b.id, b.tenant_id, b.permissions, b.expires_at from platform.break_glass b \
         join platform.tenants t on t.id = b.tenant_id and t.state = 'ready' \
         where b.session_id = $1 and b.ended_at is null and b.expires_at > $2",
    )
    .bind(session)
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn tenant_state(
    tx: &mut PlatformTx,
    tenant: Uuid,
) -> Result<Option<String>, PgError> {
    let state = sqlx::query_scalar("select state from platform.tenants where id = $1")
        .bind(tenant)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(state)
}

/// Ends what the session is in, if it is in something that nobody ended yet.
pub(super) async fn end_of_session(
    tx: &mut PlatformTx,
    session: Uuid,
    by: &str,
    now: OffsetDateTime,
) -> Result<Option<Uuid>, PgError> {
    let id = sqlx::query_scalar(
        "update platform.break_glass set ended_at = $3, ended_by = $2 \
         where session_id = $1 and ended_at is null returning id",
    )
    .bind(session)
    .bind(by)
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(id)
}

pub(super) async fn insert(tx: &mut PlatformTx, new: &New<'_>) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.break_glass (id, tenant_id, principal_id, session_id, permissions, \
           reason, started_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(new.id)
    .bind(new.tenant)
    .bind(new.person)
    .bind(new.session)
    .bind(new.permissions)
    .bind(new.reason)
    .bind(new.started_at)
    .bind(new.expires_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends an entry into a tenant; one that has ended stays as it is.
pub(super) async fn end(
    tx: &mut PlatformTx,
    [id, tenant]: [Uuid; 2],
    by: &str,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.break_glass set ended_at = $4, ended_by = $3 \
         where id = $1 and tenant_id = $2 and ended_at is null",
    )
    .bind(id)
    .bind(tenant)
    .bind(by)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Newest first. Administrators are of the platform, which row level security of a tenant does not
/// show: the tenant is bound.
pub(super) async fn page(
    tx: &mut PlatformTx,
    which: &Which,
    most: i64,
) -> Result<Vec<Row>, PgError> {
    let rows = sqlx::query_as(
        "select b.id, b.tenant_id, t.slug, b.principal_id, pr.display_name, b.permissions, \
           b.reason, b.started_at, b.expires_at, b.ended_at, b.ended_by \
         from platform.break_glass b \
         join platform.tenants t on t.id = b.tenant_id \
         join platform.principals pr on pr.id = b.principal_id \
         where ($1::uuid is null or b.id = $1) and ($2::uuid is null or b.tenant_id = $2) \
           and ($3::uuid is null or b.id < $3) order by b.id desc limit $4",
    )
    .bind(which.id)
    .bind(which.tenant)
    .bind(which.before)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}
