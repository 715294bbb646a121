use std::sync::Arc;

use yard_authn::Call;
use yard_authn::client::ServiceChannel;
use yard_contracts::device::v1::CreateDeviceRequest;
use yard_contracts::identity::v1::RegisterDeviceRequest;
use yard_contracts::identity::v1::enrollment_service_client::EnrollmentServiceClient;
use yard_contracts::subjects;
use yard_fault::{Code, Fault};
use yard_ids::{Clock, ContractId, DeviceId, IdSource};
use yard_messaging::Nats;
use yard_pg::limit::{self, Limit};
use yard_pg::{Actor, Pg, PgError, TenantTx};

use super::rules::{checked_external_id, checked_labels, checked_name};
use super::store::{self, New, Row};
use crate::contracts::CompiledContract;
use crate::idempotency::{self, Claim, Key};
use crate::registry::{DeviceStanding, Registry};

/// Registers devices: here, with auth, and in every instance's memory.
#[derive(Clone)]
pub(crate) struct Registrar {
    pub(crate) pg: Pg,
    pub(crate) nats: Nats,
    pub(crate) registry: Registry,
    pub(crate) auth: ServiceChannel,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
}

impl Registrar {
    pub(super) async fn create(
        &self,
        call: &Call,
        request: CreateDeviceRequest,
    ) -> Result<Row, Fault> {
        let tenant = call.caller.tenant()?;
        let new = self.checked(request)?;
        let key = Key::of(call, "CreateDevice", new.said.as_bytes())?;
        let contract = self.contract(call, new.contract).await?;
        let actor = Actor::of_subject(call.caller.subject());
        let mut tx = TenantTx::begin(&self.pg, tenant, &actor).await?;
        let claim = idempotency::claim(key.as_ref(), &mut tx, new.id.uuid(), new.now).await?;
        if let Claim::Again(first) = claim {
            return first_answer(&mut tx, DeviceId::from_uuid(first)).await;
        }
        limit::hold(&mut tx, tenant, Limit::Devices, new.now).await?;
        store::insert(&mut tx, &new).await.map_err(taken)?;
        store::insert_directory_entry(&mut tx, &new).await?;
        let row = store::get(&mut tx, new.id).await?;
        // Before the commit: a device that is ours but unknown to auth could never enrol. The
        // other way round only leaves a name that nobody uses.
        self.make_known(&tx, &new).await?;
        tx.commit().await?;
        self.registry.remember(new.id, tenant, contract, DeviceStanding::default());
        self.announce(new.id).await;
        row.ok_or_else(|| Fault::internal("a new device cannot be read"))
    }

    fn checked(&self, request: CreateDeviceRequest) -> Result<New, Fault> {
        let name = checked_name(&request.name, "/name")?;
        let external_id = checked_external_id(&request.external_id, "/external_id")?;
        let labels = checked_labels(request.labels, "/labels")?;
        let contract: ContractId =
            request.contract_id.parse().map_err(|_unreadable| unknown_contract())?;
        let said = serde_json::json!([name, external_id, labels, contract.to_string()]);
        Ok(New {
            id: DeviceId::from_uuid(self.ids.uuid7()),
            name,
            external_id,
            contract,
            labels,
            said: said.to_string(),
            now: self.clock.now(),
        })
    }

    /// Read in the caller's tenant, so that another's contract is an unknown one.
    pub(super) async fn contract(
        &self,
        call: &Call,
        contract: ContractId,
    ) -> Result<Arc<CompiledContract>, Fault> {
        let found = self.registry.contract(call.caller.tenant()?, contract).await;
        found.map_err(|fault| match fault.code() {
            Code::DeviceContractUnknown => unknown_contract(),
            _ => fault,
        })
    }

    async fn make_known(&self, tx: &TenantTx, new: &New) -> Result<(), Fault> {
        let request = RegisterDeviceRequest {
            tenant_id: tx.tenant().to_string(),
            device_id: new.id.to_string(),
            display_name: new.name.clone(),
        };
        let mut auth = EnrollmentServiceClient::new(self.auth.clone());
        auth.register_device(request).await.map_err(|status| refused_by_auth(&status))?;
        Ok(())
    }

    pub(super) async fn announce(&self, device: DeviceId) {
        let subject = subjects::directory_changed(device);
        if let Err(error) = self.nats.publish_live(subject, bytes::Bytes::new()).await {
            tracing::debug!(error = %error, "new device not announced");
        }
    }
}

/// What auth said to a registration that it did not make.
pub(super) fn refused_by_auth(status: &tonic::Status) -> Fault {
    let fault = Fault::from_status(status);
    if fault.class().is_retryable() {
        return Fault::new(Code::ServiceUnavailable).with_source(fault);
    }
    if fault.code() == Code::ResourceExists {
        return Fault::new(Code::ResourceExists)
            .with_public("A serial number is expected of another device already.")
            .with_source(fault);
    }
    Fault::internal("auth refuses a new device").with_source(fault)
}

pub(super) fn unknown_contract() -> Fault {
    Fault::new(Code::DeviceContractUnknown).with_pointer("/contract_id")
}

/// Which of the unique keys it was.
pub(super) fn taken(error: PgError) -> Fault {
    for (key, pointer, text) in [
        ("devices_name", "/name", "A device of that name exists already."),
        ("devices_external_id", "/external_id", "A device of that external id exists already."),
    ] {
        if error.is_taken(key) {
            return Fault::new(Code::ResourceExists).with_pointer(pointer).with_public(text);
        }
    }
    error.into()
}

async fn first_answer(tx: &mut TenantTx, first: DeviceId) -> Result<Row, Fault> {
    let row = store::get(tx, first).await?;
    row.ok_or_else(|| Fault::internal("a device lost its row"))
}
