use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_ids::ContractId;
use yard_pg::{PgError, TenantTx};

use super::rules::NewContract;
use super::{CommandKind, Metric};

/// A contract as stored.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) version: i32,
    pub(super) telemetry_schema: Value,
    pub(super) metrics: Json<Vec<Metric>>,
    pub(super) commands: Json<Vec<CommandKind>>,
    pub(super) created_at: OffsetDateTime,
}

impl Row {
    /// Whether it says what a new contract wants to say.
    pub(super) fn is(&self, new: &NewContract) -> bool {
        self.name == new.name
            && self.version == new.version
            && self.telemetry_schema == new.telemetry_schema
            && self.metrics.0 == new.metrics
            && self.commands.0 == new.commands
    }
}

/// Inserts a contract; `None` when name and version are taken.
pub(super) async fn insert(
    tx: &mut TenantTx,
    id: ContractId,
    new: &NewContract,
    now: OffsetDateTime,
) -> Result<Option<Row>, PgError> {
    Ok(sqlx::query_as(
        "insert into contracts \
         (id, tenant_id, name, version, telemetry_schema, metrics, commands, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (name, version) do nothing \
         returning id, name, version, telemetry_schema, metrics, commands, created_at",
    )
    .bind(id.uuid())
    .bind(tx.tenant().uuid())
    .bind(&new.name)
    .bind(new.version)
    .bind(&new.telemetry_schema)
    .bind(Json(&new.metrics))
    .bind(Json(&new.commands))
    .bind(now)
    .fetch_optional(&mut **tx)
    .await?)
}

/// The contract of a name and version.
pub(super) async fn by_name(
    tx: &mut TenantTx,
    name: &str,
    version: i32,
) -> Result<Option<Row>, PgError> {
    Ok(sqlx::query_as(
        "select id, name, version, telemetry_schema, metrics, commands, created_at \
         from contracts where name = $1 and version = $2",
    )
    .bind(name)
    .bind(version)
    .fetch_optional(&mut **tx)
    .await?)
}

/// One contract.
pub(super) async fn get(tx: &mut TenantTx, id: ContractId) -> Result<Option<Row>, PgError> {
    Ok(sqlx::query_as(
        "select id, name, version, telemetry_schema, metrics, commands, created_at \
         from contracts where id = $1",
    )
    .bind(id.uuid())
    .fetch_optional(&mut **tx)
    .await?)
}

/// Contracts by name and version, after a key.
pub(super) async fn list(
    tx: &mut TenantTx,
    after: Option<(String, i32)>,
    most: i64,
) -> Result<Vec<Row>, PgError> {
    let (name, version) = after.unzip();
    Ok(sqlx::query_as(
        "select id, name, version, telemetry_schema, metrics, commands, created_at \
         from contracts where $1::text is null or (name, version) > ($1, $2) \
         order by name, version limit $3",
    )
    .bind(name)
    .bind(version)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?)
}
