use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, TenantTx};

/// An override.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) principal_id: Option<Uuid>,
    pub(super) position_id: Option<Uuid>,
    pub(super) permission: String,
    pub(super) effect: String,
    pub(super) scope: String,
    pub(super) department_id: Option<Uuid>,
    pub(super) reason: String,
    pub(super) state: String,
    pub(super) requested_by: Uuid,
    pub(super) requested_at: OffsetDateTime,
    pub(super) expires_at: OffsetDateTime,
    pub(super) decided_by: Option<Uuid>,
    pub(super) decided_at: Option<OffsetDateTime>,
    pub(super) decision_reason: String,
    pub(super) ended_by: Option<Uuid>,
    pub(super) ended_at: Option<OffsetDateTime>,
}

/// Which ones, and from where on.
#[derive(Debug, Default)]
pub(super) struct Which {
    pub(super) id: Option<Uuid>,
    pub(super) state: Option<&'static str>,
    pub(super) person: Option<Uuid>,
    pub(super) position: Option<Uuid>,
    pub(super) before: Option<Uuid>,
}

/// Newest first.
pub(super) async fn page(tx: &mut TenantTx, which: &Which, most: i64) -> Result<Vec<Row>, PgError> {
    let rows = sqlx::query_as(
        "select id, principal_id, position_id, permission, effect, scope, department_id, reason, \
           state, requested_by, requested_at, expires_at, decided_by, decided_at, \
           decision_reason, ended_by, ended_at \
         from platform.overrides \
         where tenant_id = $1 and ($2::uuid is null or id = $2) \
           and ($3::text is null or state = $3) and ($4::uuid is null or principal_id = $4) \
           and ($5::uuid is null or position_id = $5) and ($6::uuid is null or id < $6) \
         order by id desc limit $7",
    )
    .bind(tx.tenant().uuid())
    .bind(which.id)
    .bind(which.state)
    .bind(which.person)
    .bind(which.position)
    .bind(which.before)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// How many are in force or asked for.
pub(super) async fn standing(tx: &mut TenantTx) -> Result<i64, PgError> {
    let count = sqlx::query_scalar(
        "select count(*) from platform.overrides \
         where tenant_id = $1 and state in ('requested', 'approved')",
    )
    .bind(tx.tenant().uuid())
    .fetch_one(&mut **tx)
    .await?;
    Ok(count)
}

pub(super) async fn insert(tx: &mut TenantTx, row: &Row) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.overrides (tenant_id, id, principal_id, position_id, permission, \
           effect, scope, department_id, reason, state, requested_by, requested_at, expires_at, \
           decided_by, decided_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(tx.tenant().uuid())
    .bind(row.id)
    .bind(row.principal_id)
    .bind(row.position_id)
    .bind(&row.permission)
    .bind(&row.effect)
    .bind(&row.scope)
    .bind(row.department_id)
    .bind(&row.reason)
    .bind(&row.state)
    .bind(row.requested_by)
    .bind(row.requested_at)
    .bind(row.expires_at)
    .bind(row.decided_by)
    .bind(row.decided_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Writes what became of it, if it still is in the state that it was `from`.
pub(super) async fn step(tx: &mut TenantTx, from: &str, row: &Row) -> Result<bool, PgError> {
    let done = sqlx::query(
        "update platform.overrides set state = $4, decided_by = $5, decided_at = $6, \
           decision_reason = $7, ended_by = $8, ended_at = $9 \
         where tenant_id = $1 and id = $2 and state = $3",
    )
    .bind(tx.tenant().uuid())
    .bind(row.id)
    .bind(from)
    .bind(&row.state)
    .bind(row.decided_by)
    .bind(row.decided_at)
    .bind(&row.decision_reason)
    .bind(row.ended_by)
    .bind(row.ended_at)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}
