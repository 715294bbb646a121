use serde_json::Value;
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_ids::TenantId;
use yard_pg::{PgError, PlatformTx};

/// A tenant's row with how far its schema is.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) slug: String,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) state_changed_at: OffsetDateTime,
    pub(super) state_reason: String,
    pub(super) plan: String,
    pub(super) limits: Value,
    pub(super) time_zone: String,
    pub(super) locale: String,
    pub(super) created_at: OffsetDateTime,
    pub(super) second_factor_required: bool,
    pub(super) schema_version: i64,
    pub(super) schema_error: String,
    pub(super) newest_version: i64,
}

/// The proof of a closed tenant.
#[derive(Debug, Clone, FromRow)]
pub(super) struct ClosureRow {
    pub(super) slug: String,
    pub(super) closed_at: OffsetDateTime,
    pub(super) closed_by: String,
    pub(super) export_digest: String,
    pub(super) relations: Value,
}

/// Adds a tenant that is to be made. The slug's unique key refuses a second one.
pub(super) async fn insert(
    tx: &mut PlatformTx,
    id: TenantId,
    [slug, name, plan]: [&str; 3],
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.tenants (id, slug, name, plan, state, created_at, state_changed_at) \
         values ($1, $2, $3, $4, 'provisioning', $5, $5)",
    )
    .bind(id.uuid())
    .bind(slug)
    .bind(name)
    .bind(plan)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn get(tx: &mut PlatformTx, id: Uuid) -> Result<Option<Row>, PgError> {
    let row = sqlx::query_as(
        "select t.id, t.slug, t.name, t.state, t.state_changed_at, t.state_reason, t.plan, \
         t.limits, t.time_zone, t.locale, t.created_at, t.second_factor_required, \
         coalesce(s.version, 0) as schema_version, coalesce(s.error, '') as schema_error, \
         (select coalesce(max(m.version), 0) from platform.tenant_migrations m) as newest_version \
         from platform.tenants t left join platform.tenant_schemas s on s.tenant_id = t.id \
         where t.id = $1",
    )
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// By slug, from behind `after`.
pub(super) async fn list(
    tx: &mut PlatformTx,
    after: Option<&str>,
    most: i64,
) -> Result<Vec<Row>, PgError> {
    let rows = sqlx::query_as(
        "select t.id, t.slug, t.name, t.state, t.state_changed_at, t.state_reason, t.plan, \
         t.limits, t.time_zone, t.locale, t.created_at, t.second_factor_required, \
         coalesce(s.version, 0) as schema_version, coalesce(s.error, '') as schema_error, \
         (select coalesce(max(m.version), 0) from platform.tenant_migrations m) as newest_version \
         from platform.tenants t left join platform.tenant_schemas s on s.tenant_id = t.id \
         where $1::text is null or t.slug > $1 order by t.slug limit $2",
    )
    .bind(after)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// A change of state: what it may start from, where it leads, and who wants it why.
pub(super) struct Step<'a> {
    pub(super) from: &'a [&'a str],
    pub(super) to: &'a str,
    pub(super) by: &'a str,
    pub(super) reason: &'a str,
    pub(super) at: OffsetDateTime,
}

/// Moves a tenant on. False when it is in another state than it would have to be.
pub(super) async fn step(tx: &mut PlatformTx, id: Uuid, step: &Step<'_>) -> Result<bool, PgError> {
    let done = sqlx::query(
        "update platform.tenants set state = $3, state_changed_by = $4, state_reason = $5, \
         state_changed_at = $6 where id = $1 and state = any($2)",
    )
    .bind(id)
    .bind(step.from)
    .bind(step.to)
    .bind(step.by)
    .bind(step.reason)
    .bind(step.at)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps what the closing goes by.
pub(super) async fn set_closing_export(
    tx: &mut PlatformTx,
    id: Uuid,
    export: &str,
) -> Result<(), PgError> {
    sqlx::query("update platform.tenants set closing_export = $2 where id = $1")
        .bind(id)
        .bind(export)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// What `None` stands for stays.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) plan: Option<String>,
    pub(super) limits: Option<Value>,
    pub(super) name: Option<String>,
    pub(super) time_zone: Option<String>,
    pub(super) locale: Option<String>,
    pub(super) second_factor_required: Option<bool>,
}

/// False when there is no such tenant.
pub(super) async fn change(
    tx: &mut PlatformTx,
    id: Uuid,
    changes: &Changes,
) -> Result<bool, PgError> {
    let done = sqlx::query(
        "update platform.tenants set plan = coalesce($2, plan), limits = coalesce($3, limits), \
         name = coalesce($4, name), time_zone = coalesce($5, time_zone), \
         locale = coalesce($6, locale), \
         second_factor_required = coalesce($7, second_factor_required) where id = $1 and state <> 'closed'",
    )
    .bind(id)
    .bind(&changes.plan)
    .bind(&changes.limits)
    .bind(&changes.name)
    .bind(&changes.time_zone)
    .bind(&changes.locale)
    .bind(changes.second_factor_required)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Name of the plan, the tenant's own numbers, the plan's.
pub(super) async fn limits(
    tx: &mut PlatformTx,
    id: Uuid,
) -> Result<Option<(String, Value, Value)>, PgError> {
    let row = sqlx::query_as(
        "select t.plan, t.limits, p.limits from platform.tenants t \
         join platform.plans p on p.name = t.plan where t.id = $1",
    )
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// How much of each limit is in use.
pub(super) async fn uses(
    tx: &mut PlatformTx,
    id: Uuid,
    limits: &[&str],
    now: OffsetDateTime,
) -> Result<Vec<(String, i64)>, PgError> {
    let rows = sqlx::query_as(
        "select l.name, coalesce(platform.tenant_use($1, l.name, $3, null), 0) \
         from unnest($2::text[]) as l(name)",
    )
    .bind(id)
    .bind(limits)
    .bind(now)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// Tenants that wait for their schema or for their end, oldest first.
pub(super) async fn waiting(tx: &mut PlatformTx) -> Result<Vec<(Uuid, String)>, PgError> {
    let rows = sqlx::query_as(
        "select id, state from platform.tenants where state in ('provisioning', 'closing') \
         order by state_changed_at limit 20",
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// Who is closing it, why and by which export, and keeps the row for this transaction; `None` when nobody is, or
/// another instance is at it.
pub(super) async fn being_closed(
    tx: &mut PlatformTx,
    id: Uuid,
) -> Result<Option<(String, String, String)>, PgError> {
    // Deleting what a large tenant stored takes longer than any request may.
    sqlx::query("set local statement_timeout = '1h'").execute(&mut **tx).await?;
    let row = sqlx::query_as(
        "select state_changed_by, state_reason, closing_export from platform.tenants \
         where id = $1 and state = 'closing' for update skip locked",
    )
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

/// Makes the schema, or goes on where it stopped; all of it or nothing.
pub(super) async fn migrate(tx: &mut PlatformTx, id: Uuid) -> Result<i32, PgError> {
    let applied = sqlx::query_scalar("select platform.migrate_tenant($1)")
        .bind(id)
        .fetch_one(&mut **tx)
        .await?;
    Ok(applied)
}

/// Deletes everything; what went.
pub(super) async fn drop_data(
    tx: &mut PlatformTx,
    id: Uuid,
) -> Result<Vec<(String, i64)>, PgError> {
    let went = sqlx::query_as("select relation, dropped_rows from platform.drop_tenant_data($1)")
        .bind(id)
        .fetch_all(&mut **tx)
        .await?;
    Ok(went)
}

pub(super) async fn insert_closure(
    tx: &mut PlatformTx,
    id: Uuid,
    (by, export): (&str, &str),
    relations: &Value,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.tenant_closures (tenant_id, closed_at, closed_by, export_digest, relations) \
         values ($1, $2, $3, $4, $5)",
    )
    .bind(id)
    .bind(now)
    .bind(by)
    .bind(export)
    .bind(relations)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn closure(tx: &mut PlatformTx, id: Uuid) -> Result<Option<ClosureRow>, PgError> {
    let row = sqlx::query_as(
        "select t.slug, c.closed_at, c.closed_by, c.export_digest, c.relations \
         from platform.tenant_closures c join platform.tenants t on t.id = c.tenant_id \
         where c.tenant_id = $1",
    )
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}
