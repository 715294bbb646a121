//! How many ask providers at the same time. Whoever manages a tenant chooses whom we wait for, and who
//! signs in by password waits at the same door of the gateway.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;
use yard_fault::Fault;

use super::fetch::failed;

/// Of one tenant, whatever it calls its issuers.
const EACH: usize = 5;
/// Of all tenants; fewer than the gateway lets in at once (its `limits.login.places`).
const ALL: usize = 8;

/// Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<Uuid, usize>>>);

/// Somebody who asks, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    tenant: Uuid,
}

impl Places {
    /// # Errors
    /// `federation.provider_failed` when so many wait already.
    pub(super) fn take(&self, tenant: Uuid) -> Result<Place, Fault> {
        let mut asking = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = asking.get(&tenant).copied().unwrap_or_default();
        if own >= EACH || asking.values().sum::<usize>() >= ALL {
            return Err(failed("has too many to answer at once"));
        }
        asking.insert(tenant, own + 1);
        Ok(Place { places: self.clone(), tenant })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut asking = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        match asking.get_mut(&self.tenant) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(asking.remove(&self.tenant)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenant_of_slow_issuers_takes_its_places_and_leaves_those_of_others() {
        let places = Places::default();
        let [slow_one, other, third_one] = [1, 2, 3].map(Uuid::from_u128);
        let mut slow: Vec<_> = (0..EACH).map(|_| places.take(slow_one).unwrap()).collect();
        assert!(places.take(slow_one).is_err());
        let others: Vec<_> = (EACH..ALL).map(|_| places.take(other).unwrap()).collect();
        assert!(places.take(third_one).is_err() && places.take(other).is_err());
        slow.pop();
        let third = places.take(third_one).unwrap();
        assert!(places.take(slow_one).is_err(), "all places are taken");
        drop((others, third));
        assert!(places.take(slow_one).is_ok());
        drop(slow);
        assert!(places.0.lock().unwrap().is_empty());
    }
}
