use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx, TenantTx};

/// An app as its tenant has set it up.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) number: i64,
    pub(super) key: String,
    pub(super) name: String,
    pub(super) disabled_at: Option<OffsetDateTime>,
    pub(super) client_events: bool,
    pub(super) client_events_per_second: i32,
    pub(super) allowed_origins: Vec<String>,
    pub(super) max_connections: i32,
    pub(super) max_members: i32,
    pub(super) max_event_bytes: i32,
    pub(super) subscription_count: bool,
    pub(super) recoverable_prefixes: Vec<String>,
    pub(super) history_events: i32,
    pub(super) history_seconds: i32,
    pub(super) created_at: OffsetDateTime,
    pub(super) changed_at: Option<OffsetDateTime>,
}

/// The query for a [`Row`].
macro_rules! row_where {
    ($condition:literal) => {
        concat!(
            "select number, key, name, disabled_at, client_events, client_events_per_second, ",
            "allowed_origins, max_connections, max_members, max_event_bytes, subscription_count, ",
            "recoverable_prefixes, history_events, history_seconds, ",
            "created_at, changed_at from platform.realtime_apps where ",
            $condition
        )
    };
}

/// A secret that is in force.
#[derive(Debug, Clone, FromRow)]
pub(super) struct SecretRow {
    pub(super) id: Uuid,
    pub(super) app: i64,
    pub(super) created_at: OffsetDateTime,
}

/// Where an app tells of what happens in it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(super) struct WebhookRow {
    pub(super) app: i64,
    pub(super) url: String,
    /// Empty for all.
    pub(super) kinds: Vec<String>,
    pub(super) channel_prefix: String,
    pub(super) disabled: bool,
}

/// An app with all that decides what it may do now.
#[derive(Debug, Clone, FromRow)]
pub(super) struct FoundRow {
    pub(super) tenant_id: Uuid,
    /// Whether the tenant is neither suspended nor on its way out.
    pub(super) open: bool,
    /// In force, newest first; one for one with what they are.
    pub(super) secret_ids: Vec<Uuid>,
    pub(super) sealed: Vec<Vec<u8>>,
    /// By the database's clock, milliseconds since 1970.
    pub(super) read_ms: i64,
    #[sqlx(flatten)]
    pub(super) row: Row,
}

/// Apps by their keys and by their numbers, of all tenants.
pub(super) async fn find(
    tx: &mut PlatformTx,
    keys: &[String],
    numbers: &[i64],
) -> Result<Vec<FoundRow>, PgError> {
    let rows = sqlx::query_as(
        "select a.number, a.tenant_id, a.key, a.name, a.disabled_at, a.client_events, \
           a.client_events_per_second, a.allowed_origins, a.max_connections, a.max_members, \
           a.max_event_bytes, a.subscription_count, a.recoverable_prefixes, \
           a.history_events, a.history_seconds, a.created_at, a.changed_at, \
           platform.tenant_is_open(a.tenant_id) as open, \
           array(select s.id from platform.realtime_app_secrets s where s.app = a.number \
             order by s.created_at desc, s.id desc) as secret_ids, \
           array(select s.sealed from platform.realtime_app_secrets s where s.app = a.number \
             order by s.created_at desc, s.id desc) as sealed, \
           floor(extract(epoch from statement_timestamp()) * 1000)::bigint as read_ms \
         from platform.realtime_apps a where a.key = any($1) or a.number = any($2)",
    )
    .bind(keys)
    .bind(numbers)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// How many apps the tenant has. Who counts at the same time waits until the transaction ends, so
/// that two cannot both be the last.
pub(super) async fn count(tx: &mut TenantTx) -> Result<i64, PgError> {
    let tenant = tx.tenant().uuid();
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('realtime apps ' || $1::text, 0))")
        .bind(tenant)
        .execute(&mut **tx)
        .await?;
    let count =
        sqlx::query_scalar("select count(*) from platform.realtime_apps where tenant_id = $1")
            .bind(tenant)
            .fetch_one(&mut **tx)
            .await?;
    Ok(count)
}

pub(super) async fn insert(tx: &mut TenantTx, row: &Row, by: &str) -> Result<(), PgError> {
    let tenant = tx.tenant().uuid();
    sqlx::query(
        "insert into platform.realtime_apps \
           (number, tenant_id, key, name, disabled_at, client_events, client_events_per_second, \
            allowed_origins, max_connections, max_members, max_event_bytes, subscription_count, \
            recoverable_prefixes, history_events, history_seconds, created_by, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
    )
    .bind(row.number)
    .bind(tenant)
    .bind(&row.key)
    .bind(&row.name)
    .bind(row.disabled_at)
    .bind(row.client_events)
    .bind(row.client_events_per_second)
    .bind(&row.allowed_origins)
    .bind(row.max_connections)
    .bind(row.max_members)
    .bind(row.max_event_bytes)
    .bind(row.subscription_count)
    .bind(&row.recoverable_prefixes)
    .bind(row.history_events)
    .bind(row.history_seconds)
    .bind(by)
    .bind(row.created_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The tenant's, by name.
pub(super) async fn all(tx: &mut TenantTx) -> Result<Vec<Row>, PgError> {
    let tenant = tx.tenant().uuid();
    let rows = sqlx::query_as(row_where!("tenant_id = $1 order by name, number"))
        .bind(tenant)
        .fetch_all(&mut **tx)
        .await?;
    Ok(rows)
}

pub(super) async fn get(tx: &mut TenantTx, number: i64) -> Result<Option<Row>, PgError> {
    let tenant = tx.tenant().uuid();
    let row = sqlx::query_as(row_where!("number = $1 and tenant_id = $2"))
        .bind(number)
        .bind(tenant)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row)
}

/// As [`get`]; nobody else changes it or its secrets before the transaction ends.
pub(super) async fn keep(tx: &mut TenantTx, number: i64) -> Result<Option<Row>, PgError> {
    let tenant = tx.tenant().uuid();
    let row = sqlx::query_as(row_where!("number = $1 and tenant_id = $2 for update"))
        .bind(number)
        .bind(tenant)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row)
}

pub(super) async fn update(tx: &mut TenantTx, row: &Row) -> Result<(), PgError> {
    let tenant = tx.tenant().uuid();
    sqlx::query(
        "update platform.realtime_apps set name = $3, disabled_at = $4, client_events = $5, \
           client_events_per_second = $6, allowed_origins = $7, max_connections = $8, \
           max_members = $9, max_event_bytes = $10, subscription_count = $11, \
           recoverable_prefixes = $12, history_events = $13, history_seconds = $14, \
           changed_at = $15 \
         where number = $1 and tenant_id = $2",
    )
    .bind(row.number)
    .bind(tenant)
    .bind(&row.name)
    .bind(row.disabled_at)
    .bind(row.client_events)
    .bind(row.client_events_per_second)
    .bind(&row.allowed_origins)
    .bind(row.max_connections)
    .bind(row.max_members)
    .bind(row.max_event_bytes)
    .bind(row.subscription_count)
    .bind(&row.recoverable_prefixes)
    .bind(row.history_events)
    .bind(row.history_seconds)
    .bind(row.changed_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Deletes an app with its secrets; `false` if it is not the tenant's.
pub(super) async fn delete(tx: &mut TenantTx, number: i64) -> Result<bool, PgError> {
    let tenant = tx.tenant().uuid();
    let done =
        sqlx::query("delete from platform.realtime_apps where number = $1 and tenant_id = $2")
            .bind(number)
            .bind(tenant)
            .execute(&mut **tx)
            .await?;
    Ok(done.rows_affected() > 0)
}

/// Secrets in force of these apps, newest first.
pub(super) async fn secrets(tx: &mut TenantTx, numbers: &[i64]) -> Result<Vec<SecretRow>, PgError> {
    let tenant = tx.tenant().uuid();
    let rows = sqlx::query_as(
        "select id, app, created_at from platform.realtime_app_secrets \
         where app = any($1) and tenant_id = $2 order by created_at desc, id desc",
    )
    .bind(numbers)
    .bind(tenant)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// Webhooks of these apps, in their order.
pub(super) async fn webhooks(
    tx: &mut TenantTx,
    numbers: &[i64],
) -> Result<Vec<WebhookRow>, PgError> {
    let tenant = tx.tenant().uuid();
    let rows = sqlx::query_as(
        "select app, url, kinds, channel_prefix, disabled from platform.realtime_app_webhooks \
         where app = any($1) and tenant_id = $2 order by app, place",
    )
    .bind(numbers)
    .bind(tenant)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// Webhooks that are not disabled of apps of any tenants, in their order.
pub(super) async fn enabled_webhooks(
    tx: &mut PlatformTx,
    numbers: &[i64],
) -> Result<Vec<WebhookRow>, PgError> {
    let rows = sqlx::query_as(
        "select app, url, kinds, channel_prefix, disabled from platform.realtime_app_webhooks \
         where app = any($1) and not disabled order by app, place",
    )
    .bind(numbers)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// Replaces the webhooks of an app that is the tenant's.
pub(super) async fn put_webhooks(
    tx: &mut TenantTx,
    app: i64,
    rows: &[WebhookRow],
) -> Result<(), PgError> {
    let tenant = tx.tenant().uuid();
    sqlx::query("delete from platform.realtime_app_webhooks where app = $1 and tenant_id = $2")
        .bind(app)
        .bind(tenant)
        .execute(&mut **tx)
        .await?;
    for (place, row) in (1_i16..).zip(rows) {
        sqlx::query(
            "insert into platform.realtime_app_webhooks \
               (app, place, tenant_id, url, kinds, channel_prefix, disabled) \
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(app)
        .bind(place)
        .bind(tenant)
        .bind(&row.url)
        .bind(&row.kinds)
        .bind(&row.channel_prefix)
        .bind(row.disabled)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Puts a secret into the first free place; `false` if both are taken.
pub(super) async fn add_secret(
    tx: &mut TenantTx,
    secret: &SecretRow,
    sealed: &[u8],
) -> Result<bool, PgError> {
    let tenant = tx.tenant().uuid();
    let done = sqlx::query(
        "insert into platform.realtime_app_secrets (id, app, tenant_id, place, sealed, created_at) \
         select $1, $2, $3, free.place, $4, $5 from generate_series(1, 2) as free (place) \
         where not exists (select from platform.realtime_app_secrets s \
           where s.app = $2 and s.place = free.place) \
         order by free.place limit 1",
    )
    .bind(secret.id)
    .bind(secret.app)
    .bind(tenant)
    .bind(sealed)
    .bind(secret.created_at)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends a secret; `false` if the app has no such one.
pub(super) async fn end_secret(tx: &mut TenantTx, app: i64, id: Uuid) -> Result<bool, PgError> {
    let tenant = tx.tenant().uuid();
    let done = sqlx::query(
        "delete from platform.realtime_app_secrets where id = $1 and app = $2 and tenant_id = $3",
    )
    .bind(id)
    .bind(app)
    .bind(tenant)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Secrets that another key than `kid` sealed, at most so many, locked.
pub(super) async fn sealed_before(
    tx: &mut PlatformTx,
    kid: &str,
    most: i64,
) -> Result<Vec<(Uuid, Vec<u8>)>, PgError> {
    // What is sealed begins with its version, and the length and the id of its key.
    let rows = sqlx::query_as(
        "select id, sealed from platform.realtime_app_secrets \
         where substr(sealed, 3, get_byte(sealed, 1)) <> convert_to($1, 'UTF8') \
         order by id limit $2 for update skip locked",
    )
    .bind(kid)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(super) async fn reseal(tx: &mut PlatformTx, id: Uuid, sealed: &[u8]) -> Result<(), PgError> {
    sqlx::query("update platform.realtime_app_secrets set sealed = $2 where id = $1")
        .bind(id)
        .bind(sealed)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
