use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::time::Instant;
use yard_ids::{ContractId, DeviceId, TenantId};

use super::KnownDevice;
use crate::contracts::CompiledContract;

/// An unknown device is looked up again after this; its registration is also announced.
const NOBODY_FOR: Duration = Duration::from_secs(5);
/// Unknown devices remembered at once, so that a stranger cannot fill memory.
const MOST_NOBODIES: usize = 10_000;

/// What memory says of a device.
#[derive(Debug, Clone)]
pub(crate) enum Known {
    Device(Arc<KnownDevice>),
    /// It did not exist a moment ago.
    Nobody,
    /// The database has to be asked.
    Unclear,
}

#[derive(Default)]
pub(super) struct Cache {
    devices: RwLock<HashMap<DeviceId, Arc<KnownDevice>>>,
    nobodies: RwLock<HashMap<DeviceId, Instant>>,
    contracts: RwLock<HashMap<(TenantId, ContractId), Arc<CompiledContract>>>,
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

impl Cache {
    pub(super) fn device(&self, device: DeviceId) -> Known {
        if let Some(known) = read(&self.devices).get(&device) {
            return Known::Device(Arc::clone(known));
        }
        match read(&self.nobodies).get(&device) {
            Some(since) if since.elapsed() < NOBODY_FOR => Known::Nobody,
            _ => Known::Unclear,
        }
    }

    pub(super) fn insert_device(&self, device: KnownDevice) -> Arc<KnownDevice> {
        let mut devices = write(&self.devices);
        // A look-up may have read what has changed since.
        if let Some(newer) = devices.get(&device.id)
            && newer.standing.version > device.standing.version
        {
            return Arc::clone(newer);
        }
        let known = Arc::new(device);
        devices.insert(known.id, Arc::clone(&known));
        metrics::gauge!("yard_ingest_known_devices").set(count(devices.len()));
        drop(devices);
        write(&self.nobodies).remove(&known.id);
        known
    }

    pub(super) fn note_nobody(&self, device: DeviceId) {
        let mut nobodies = write(&self.nobodies);
        // All at once: looking for the oldest at each stranger would cost more than asking again.
        if nobodies.len() >= MOST_NOBODIES {
            nobodies.clear();
        }
        nobodies.insert(device, Instant::now());
    }

    pub(super) fn forget(&self, device: DeviceId) {
        write(&self.devices).remove(&device);
        write(&self.nobodies).remove(&device);
    }

    pub(super) fn contract(
        &self,
        tenant: TenantId,
        contract: ContractId,
    ) -> Option<Arc<CompiledContract>> {
        read(&self.contracts).get(&(tenant, contract)).cloned()
    }

    pub(super) fn insert_contract(
        &self,
        tenant: TenantId,
        contract: CompiledContract,
    ) -> Arc<CompiledContract> {
        let known = Arc::new(contract);
        write(&self.contracts).insert((tenant, known.id), Arc::clone(&known));
        known
    }
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn unknown_device_is_looked_up_again_after_a_while() {
        let (cache, device) = (Cache::default(), DeviceId::from_uuid(uuid::Uuid::from_u128(1)));
        assert!(matches!(cache.device(device), Known::Unclear));
        cache.note_nobody(device);
        assert!(matches!(cache.device(device), Known::Nobody));
        tokio::time::advance(NOBODY_FOR).await;
        assert!(matches!(cache.device(device), Known::Unclear));
    }

    #[test]
    fn strangers_cannot_fill_memory() {
        let cache = Cache::default();
        for n in 0..(MOST_NOBODIES as u128 * 2) {
            cache.note_nobody(DeviceId::from_uuid(uuid::Uuid::from_u128(n)));
        }
        assert!(read(&cache.nobodies).len() <= MOST_NOBODIES);
    }
}
