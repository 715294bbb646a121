use std::collections::BTreeMap;

use sqlx::FromRow;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_ids::{ContractId, DeviceId};
use yard_pg::{PgError, TenantTx};

/// Labels as stored.
pub(super) type Labels = Json<BTreeMap<String, String>>;

/// A device with its presence.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) external_id: Option<String>,
    pub(super) contract_id: Uuid,
    pub(super) labels: Labels,
    pub(super) created_at: OffsetDateTime,
    pub(super) updated_at: OffsetDateTime,
    pub(super) presence: Option<String>,
    pub(super) presence_changed_at: Option<OffsetDateTime>,
    pub(super) last_seen_at: Option<OffsetDateTime>,
}

/// A device to be stored.
#[derive(Debug, Clone)]
pub(super) struct New {
    pub(super) id: DeviceId,
    pub(super) name: String,
    pub(super) external_id: Option<String>,
    pub(super) contract: ContractId,
    pub(super) labels: BTreeMap<String, String>,
    /// What the request says, for telling it from others under the same key.
    pub(super) said: String,
    pub(super) now: OffsetDateTime,
}

/// Inserts a device.
pub(super) async fn insert(tx: &mut TenantTx, new: &New) -> Result<(), PgError> {
    sqlx::query(
        "insert into devices (id, tenant_id, name, external_id, contract_id, labels, \
         created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $7)",
    )
    .bind(new.id.uuid())
    .bind(tx.tenant().uuid())
    .bind(&new.name)
    .bind(&new.external_id)
    .bind(new.contract.uuid())
    .bind(Json(&new.labels))
    .bind(new.now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Makes a device known before its tenant is.
pub(super) async fn insert_directory_entry(tx: &mut TenantTx, new: &New) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.device_directory (device_id, tenant_id, contract_id, created_at) \
         values ($1, $2, $3, $4)",
    )
    .bind(new.id.uuid())
    .bind(tx.tenant().uuid())
    .bind(new.contract.uuid())
    .bind(new.now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// One device.
pub(super) async fn get(tx: &mut TenantTx, device: DeviceId) -> Result<Option<Row>, PgError> {
    Ok(sqlx::query_as(
        "select d.id, d.name, d.external_id, d.contract_id, d.labels, d.created_at, \
         d.updated_at, p.state as presence, p.changed_at as presence_changed_at, p.last_seen_at \
         from devices d left join platform.device_presence p on p.device_id = d.id \
         where d.id = $1",
    )
    .bind(device.uuid())
    .fetch_optional(&mut **tx)
    .await?)
}

/// A device that an inventory may mean.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Known {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) external_id: Option<String>,
    contract_id: Uuid,
    labels: Labels,
}

impl Known {
    /// Whether it is just so.
    pub(super) fn is(
        &self,
        name: &str,
        contract: ContractId,
        labels: &BTreeMap<String, String>,
    ) -> bool {
        self.name == name && self.contract_id == contract.uuid() && self.labels.0 == *labels
    }
}

/// Lets one import of a tenant pass at a time: of two with the same rows the second finds them
/// there.
pub(super) async fn lock_imports(tx: &mut TenantTx) -> Result<(), PgError> {
    sqlx::query("select pg_advisory_xact_lock(7230, hashtext($1))")
        .bind(tx.tenant().to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Devices that bear one of the names or external ids.
pub(super) async fn known(
    tx: &mut TenantTx,
    names: &[String],
    external_ids: &[String],
) -> Result<Vec<Known>, PgError> {
    Ok(sqlx::query_as(
        "select id, name, external_id, contract_id, labels from devices \
         where name = any($1) or external_id = any($2)",
    )
    .bind(names)
    .bind(external_ids)
    .fetch_all(&mut **tx)
    .await?)
}

/// What a list is narrowed by.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    /// Start of the name; empty for all.
    pub(super) prefix: String,
    /// Stored state, `never`, or `None` for all.
    pub(super) presence: Option<&'static str>,
}

/// Devices by name, after a key.
pub(super) async fn list(
    tx: &mut TenantTx,
    filter: &Filter,
    after: Option<(String, Uuid)>,
    most: i64,
) -> Result<Vec<Row>, PgError> {
    let (name, id) = after.unzip();
    Ok(sqlx::query_as(
        "select d.id, d.name, d.external_id, d.contract_id, d.labels, d.created_at, \
         d.updated_at, p.state as presence, p.changed_at as presence_changed_at, p.last_seen_at \
         from devices d left join platform.device_presence p on p.device_id = d.id \
         where starts_with(d.name, $1) and ($2::text is null or coalesce(p.state, 'never') = $2) \
         and ($3::text is null or (d.name, d.id) > ($3, $4)) \
         order by d.name, d.id limit $5",
    )
    .bind(&filter.prefix)
    .bind(filter.presence)
    .bind(name)
    .bind(id)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?)
}

/// Devices that a filter leaves.
pub(super) async fn count(tx: &mut TenantTx, filter: &Filter) -> Result<i64, PgError> {
    let (count,): (i64,) = sqlx::query_as(
        "select count(*) from devices d \
         left join platform.device_presence p on p.device_id = d.id \
         where starts_with(d.name, $1) and ($2::text is null or coalesce(p.state, 'never') = $2)",
    )
    .bind(&filter.prefix)
    .bind(filter.presence)
    .fetch_one(&mut **tx)
    .await?;
    Ok(count)
}

/// Devices of the tenant by presence.
pub(super) async fn count_by_presence(tx: &mut TenantTx) -> Result<Vec<(String, i64)>, PgError> {
    Ok(sqlx::query_as(
        "select coalesce(p.state, 'never'), count(*) from devices d \
         left join platform.device_presence p on p.device_id = d.id group by 1",
    )
    .fetch_all(&mut **tx)
    .await?)
}

/// What of a device is changed; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes {
    pub(super) name: Option<String>,
    /// `Some(None)` takes it away.
    pub(super) external_id: Option<Option<String>>,
    pub(super) labels: Option<BTreeMap<String, String>>,
}

/// Changes a device; `false` when there is none.
pub(super) async fn update(
    tx: &mut TenantTx,
    device: DeviceId,
    changes: &Changes,
    now: OffsetDateTime,
) -> Result<bool, PgError> {
    let done = sqlx::query(
        "update devices set name = coalesce($2, name), \
         external_id = case when $3 then $4 else external_id end, \
         labels = coalesce($5, labels), updated_at = $6 where id = $1",
    )
    .bind(device.uuid())
    .bind(&changes.name)
    .bind(changes.external_id.is_some())
    .bind(changes.external_id.clone().flatten())
    .bind(changes.labels.as_ref().map(Json))
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}
