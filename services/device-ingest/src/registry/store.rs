use serde_json::Value;
use uuid::Uuid;
use yard_fault::{Code, Fault};
use yard_ids::{ContractId, DeviceId, TenantId};
use yard_pg::{Actor, Pg, PgError, PlatformTx, TenantTx};

use super::DeviceStanding;
use crate::SERVICE;
use crate::contracts::CompiledContract;

/// What the directory says of a device.
pub(super) struct Entry {
    pub(super) tenant: TenantId,
    pub(super) contract: ContractId,
    pub(super) standing: DeviceStanding,
}

impl Entry {
    const fn of(tenant: Uuid, contract: Uuid, quarantined: bool, version: i64) -> Self {
        Self {
            tenant: TenantId::from_uuid(tenant),
            contract: ContractId::from_uuid(contract),
            standing: DeviceStanding { quarantined, version },
        }
    }
}

/// The directory's entry of a device.
pub(super) async fn directory_entry(pg: &Pg, device: DeviceId) -> Result<Option<Entry>, PgError> {
    let mut tx = PlatformTx::begin(pg, &Actor::service(SERVICE)).await?;
    let row: Option<(Uuid, Uuid, bool, i64)> = sqlx::query_as(
        "select tenant_id, contract_id, quarantined, standing_version \
         from platform.device_directory where device_id = $1",
    )
    .bind(device.uuid())
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|(tenant, contract, quarantined, version)| {
        Entry::of(tenant, contract, quarantined, version)
    }))
}

/// The next devices of the directory after one, by id.
pub(super) async fn directory_page(
    pg: &Pg,
    after: Uuid,
    most: i64,
) -> Result<Vec<(DeviceId, Entry)>, PgError> {
    let mut tx = PlatformTx::begin(pg, &Actor::service(SERVICE)).await?;
    let rows: Vec<(Uuid, Uuid, Uuid, bool, i64)> = sqlx::query_as(
        "select device_id, tenant_id, contract_id, quarantined, standing_version \
         from platform.device_directory where device_id > $1 order by device_id limit $2",
    )
    .bind(after)
    .bind(most)
    .fetch_all(&mut *tx)
    .await?;
    let typed = |(device, tenant, contract, quarantined, version)| {
        (DeviceId::from_uuid(device), Entry::of(tenant, contract, quarantined, version))
    };
    Ok(rows.into_iter().map(typed).collect())
}

/// Devices of which nothing is accepted.
pub(super) async fn quarantined(pg: &Pg) -> Result<Vec<DeviceId>, PgError> {
    let mut tx = PlatformTx::begin(pg, &Actor::service(SERVICE)).await?;
    let rows: Vec<Uuid> =
        sqlx::query_scalar("select device_id from platform.device_directory where quarantined")
            .fetch_all(&mut *tx)
            .await?;
    Ok(rows.into_iter().map(DeviceId::from_uuid).collect())
}

/// Writes down a standing, unless a newer one is there; whether that or a newer one is there now.
pub(super) async fn set_standing(
    tx: &mut PlatformTx,
    device: DeviceId,
    tenant: TenantId,
    standing: DeviceStanding,
) -> Result<bool, PgError> {
    sqlx::query(
        "update platform.device_directory set quarantined = $3, standing_version = $4 \
         where device_id = $1 and tenant_id = $2 and standing_version < $4",
    )
    .bind(device.uuid())
    .bind(tenant.uuid())
    .bind(standing.quarantined)
    .bind(standing.version)
    .execute(&mut **tx)
    .await?;
    let version: Option<i64> = sqlx::query_scalar(
        "select standing_version from platform.device_directory \
         where device_id = $1 and tenant_id = $2",
    )
    .bind(device.uuid())
    .bind(tenant.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(version.is_some_and(|version| version >= standing.version))
}

/// Reads and compiles a contract.
pub(super) async fn contract(
    pg: &Pg,
    tenant: TenantId,
    contract: ContractId,
) -> Result<CompiledContract, Fault> {
    let mut tx = TenantTx::begin(pg, tenant, &Actor::service(SERVICE)).await?;
    let row: Option<(Value, Value)> =
        sqlx::query_as("select telemetry_schema, commands from contracts where id = $1")
            .bind(contract.uuid())
            .fetch_optional(&mut *tx)
            .await
            .map_err(yard_pg::fault)?;
    let Some((telemetry, commands)) = row else {
        return Err(Fault::new(Code::DeviceContractUnknown));
    };
    let commands = crate::contracts::stored_schemas(&commands)?;
    CompiledContract::new(contract, &telemetry, &commands)
        .map_err(|problem| Fault::internal(format!("contract {contract}: {problem}")))
}
