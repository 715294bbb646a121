use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, TenantTx};

/// A department.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) parent_id: Option<Uuid>,
    pub(super) name: String,
    pub(super) created_at: OffsetDateTime,
}

pub(super) async fn page(
    tx: &mut TenantTx,
    after: Option<Uuid>,
    most: i64,
) -> Result<Vec<Row>, PgError> {
    let rows = sqlx::query_as(
        "select id, parent_id, name, created_at from platform.departments \
         where tenant_id = $1 and ($2::uuid is null or id > $2) order by id limit $3",
    )
    .bind(tx.tenant().uuid())
    .bind(after)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(super) async fn get(tx: &mut TenantTx, id: Uuid) -> Result<Option<Row>, PgError> {
    let row = sqlx::query_as(
        "select id, parent_id, name, created_at from platform.departments \
         where tenant_id = $1 and id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn count(tx: &mut TenantTx) -> Result<i64, PgError> {
    let count =
        sqlx::query_scalar("select count(*) from platform.departments where tenant_id = $1")
            .bind(tx.tenant().uuid())
            .fetch_one(&mut **tx)
            .await?;
    Ok(count)
}

/// How many levels a department and those below it are.
pub(super) async fn height(tx: &mut TenantTx, id: Uuid) -> Result<i64, PgError> {
    let height = sqlx::query_scalar(
        "with recursive down (id, level) as ( \
           select $2::uuid, 1::bigint \
           union all \
           select d.id, w.level + 1 from down w \
           join platform.departments d on d.tenant_id = $1 and d.parent_id = w.id \
             where w.level < 64) \
         select max(level) from down",
    )
    .bind(tx.tenant().uuid())
    .bind(id)
    .fetch_one(&mut **tx)
    .await?;
    Ok(height)
}

pub(super) async fn insert(tx: &mut TenantTx, row: &Row) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.departments (tenant_id, id, parent_id, name, created_at) \
         values ($1, $2, $3, $4, $5)",
    )
    .bind(tx.tenant().uuid())
    .bind(row.id)
    .bind(row.parent_id)
    .bind(&row.name)
    .bind(row.created_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn update(tx: &mut TenantTx, row: &Row) -> Result<(), PgError> {
    sqlx::query(
        "update platform.departments set parent_id = $3, name = $4 \
         where tenant_id = $1 and id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(row.id)
    .bind(row.parent_id)
    .bind(&row.name)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether something is in it or is about it.
pub(super) async fn is_used(tx: &mut TenantTx, id: Uuid) -> Result<bool, PgError> {
    let used = sqlx::query_scalar(
        "select exists (select from platform.departments where tenant_id = $1 and parent_id = $2) \
           or exists (select from platform.positions where tenant_id = $1 and department_id = $2) \
           or exists (select from platform.overrides where tenant_id = $1 and department_id = $2)",
    )
    .bind(tx.tenant().uuid())
    .bind(id)
    .fetch_one(&mut **tx)
    .await?;
    Ok(used)
}

pub(super) async fn delete(tx: &mut TenantTx, id: Uuid) -> Result<(), PgError> {
    sqlx::query("delete from platform.departments where tenant_id = $1 and id = $2")
        .bind(tx.tenant().uuid())
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
