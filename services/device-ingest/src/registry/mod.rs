//! What the hot path has to know of devices and contracts, in memory.
//!
//! It is filled at start, by registrations on any instance and by looking up what is missing.
//! What is here stays here when the database is away.

mod cache;
mod follow;
mod standing;
mod store;

use std::sync::Arc;

use yard_contracts::subjects;
use yard_fault::Fault;
use yard_ids::{ContractId, DeviceId, TenantId};
use yard_pg::Pg;

pub(crate) use cache::Known;
pub(crate) use follow::{follow_changes, preload};
pub(crate) use standing::{answer_standings, follow_quarantine};

use crate::contracts::CompiledContract;
use cache::Cache;

/// Whether a device is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DeviceStanding {
    /// Nothing that it says is accepted.
    pub(crate) quarantined: bool,
    /// auth's count of the changes.
    pub(super) version: i64,
}

/// A device as the hot path needs it. Texts that every message repeats are made once.
#[derive(Debug)]
pub(crate) struct KnownDevice {
    pub(crate) id: DeviceId,
    pub(crate) tenant: TenantId,
    pub(crate) contract: Arc<CompiledContract>,
    pub(crate) standing: DeviceStanding,
    pub(crate) id_text: String,
    pub(crate) tenant_text: String,
    pub(crate) telemetry_subject: String,
    pub(crate) quarantine_subject: String,
}

impl KnownDevice {
    pub(crate) fn new(
        id: DeviceId,
        tenant: TenantId,
        contract: Arc<CompiledContract>,
        standing: DeviceStanding,
    ) -> Self {
        Self {
            id,
            tenant,
            contract,
            standing,
            id_text: id.to_string(),
            tenant_text: tenant.to_string(),
            telemetry_subject: subjects::telemetry(tenant, id, "reading"),
            quarantine_subject: subjects::quarantine(tenant, id),
        }
    }
}

/// Devices and contracts; cheap to clone.
#[derive(Clone)]
pub(crate) struct Registry {
    pg: Pg,
    cache: Arc<Cache>,
}

impl Registry {
    pub(crate) fn new(pg: Pg) -> Self {
        Self { pg, cache: Arc::default() }
    }

    /// What memory says; never waits.
    pub(crate) fn cached(&self, device: DeviceId) -> Known {
        self.cache.device(device)
    }

    /// Asks the database where memory does not know; `None` when there is no such device.
    pub(crate) async fn device(&self, device: DeviceId) -> Result<Option<Arc<KnownDevice>>, Fault> {
        match self.cache.device(device) {
            Known::Device(known) => return Ok(Some(known)),
            Known::Nobody => return Ok(None),
            Known::Unclear => {}
        }
        self.read(device).await
    }

    /// Asks the database, whatever memory says.
    async fn read(&self, device: DeviceId) -> Result<Option<Arc<KnownDevice>>, Fault> {
        let Some(entry) = store::directory_entry(&self.pg, device).await? else {
            self.cache.note_nobody(device);
            return Ok(None);
        };
        let contract = self.contract(entry.tenant, entry.contract).await?;
        Ok(Some(self.remember(device, entry.tenant, contract, entry.standing)))
    }

    /// A contract of a tenant, compiled.
    pub(crate) async fn contract(
        &self,
        tenant: TenantId,
        contract: ContractId,
    ) -> Result<Arc<CompiledContract>, Fault> {
        if let Some(known) = self.cache.contract(tenant, contract) {
            return Ok(known);
        }
        let compiled = store::contract(&self.pg, tenant, contract).await?;
        Ok(self.cache.insert_contract(tenant, compiled))
    }

    /// Takes in a device that is known to exist.
    pub(crate) fn remember(
        &self,
        device: DeviceId,
        tenant: TenantId,
        contract: Arc<CompiledContract>,
        standing: DeviceStanding,
    ) -> Arc<KnownDevice> {
        self.cache.insert_device(KnownDevice::new(device, tenant, contract, standing))
    }

    fn forget(&self, device: DeviceId) {
        self.cache.forget(device);
    }
}
