use serde_json::Value;
use uuid::Uuid;
use yard_fault::{Code, Fault};
use yard_ids::{ContractId, DeviceId, TenantId};
use yard_pg::{Actor, Pg, PgError, PlatformTx, TenantTx};

use crate::SERVICE;
use crate::contracts::CompiledContract;

/// Tenant and contract of a device.
pub(super) async fn directory_entry(
    pg: &Pg,
    device: DeviceId,
) -> Result<Option<(TenantId, ContractId)>, PgError> {
    let mut tx = PlatformTx::begin(pg, &Actor::service(SERVICE)).await?;
    let row: Option<(Uuid, Uuid)> = sqlx::query_as(
        "select tenant_id, contract_id from platform.device_directory where device_id = $1",
    )
    .bind(device.uuid())
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|(tenant, contract)| (TenantId::from_uuid(tenant), ContractId::from_uuid(contract))))
}

/// A device with its tenant and contract.
pub(super) type DirectoryRow = (DeviceId, TenantId, ContractId);

/// The next devices of the directory after one, by id.
pub(super) async fn directory_page(
    pg: &Pg,
    after: Uuid,
    most: i64,
) -> Result<Vec<DirectoryRow>, PgError> {
    let mut tx = PlatformTx::begin(pg, &Actor::service(SERVICE)).await?;
    let rows: Vec<(Uuid, Uuid, Uuid)> = sqlx::query_as(
        "select device_id, tenant_id, contract_id from platform.device_directory \
         where device_id > $1 order by device_id limit $2",
    )
    .bind(after)
    .bind(most)
    .fetch_all(&mut *tx)
    .await?;
    let typed = |(device, tenant, contract)| {
        (DeviceId::from_uuid(device), TenantId::from_uuid(tenant), ContractId::from_uuid(contract))
    };
    Ok(rows.into_iter().map(typed).collect())
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
