use serde_json::Value;
use sqlx::FromRow;
use time::OffsetDateTime;
use yard_pg::{PgError, PlatformTx};

/// A plan as stored.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) limits: Value,
    pub(super) changed_at: OffsetDateTime,
    pub(super) changed_by: String,
}

pub(super) async fn all(tx: &mut PlatformTx) -> Result<Vec<Row>, PgError> {
    let rows = sqlx::query_as(
        "select name, description, limits, changed_at, changed_by from platform.plans order by name",
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(super) async fn exists(tx: &mut PlatformTx, name: &str) -> Result<bool, PgError> {
    let found = sqlx::query_scalar("select exists (select from platform.plans where name = $1)")
        .bind(name)
        .fetch_one(&mut **tx)
        .await?;
    Ok(found)
}

pub(super) async fn put(tx: &mut PlatformTx, row: &Row) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.plans (name, description, limits, changed_at, changed_by) \
         values ($1, $2, $3, $4, $5) on conflict (name) do update set \
         description = excluded.description, limits = excluded.limits, \
         changed_at = excluded.changed_at, changed_by = excluded.changed_by",
    )
    .bind(&row.name)
    .bind(&row.description)
    .bind(&row.limits)
    .bind(row.changed_at)
    .bind(&row.changed_by)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
