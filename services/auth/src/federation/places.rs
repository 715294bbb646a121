//! How many ask providers at the same time. Whoever manages a tenant chooses whom we wait for, and who
//! signs in by password waits at the same door of the gateway.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use yard_fault::Fault;

use super::fetch::failed;

/// Of one issuer.
const EACH: usize = 5;
/// Of all issuers; fewer than the gateway lets in at once (its `limits.login.places`).
const ALL: usize = 8;

/// Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<String, usize>>>);

/// Somebody who asks, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    issuer: String,
}

impl Places {
    /// # Errors
    /// `federation.provider_failed` when so many wait already.
    pub(super) fn take(&self, issuer: &str) -> Result<Place, Fault> {
        let mut asking = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = asking.get(issuer).copied().unwrap_or_default();
        if own >= EACH || asking.values().sum::<usize>() >= ALL {
            return Err(failed("has too many to answer at once"));
        }
        asking.insert(issuer.to_owned(), own + 1);
        Ok(Place { places: self.clone(), issuer: issuer.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut asking = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        match asking.get_mut(&self.issuer) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(asking.remove(&self.issuer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_issuer_takes_its_places_and_leaves_those_of_others() {
        let places = Places::default();
        let mut slow: Vec<_> = (0..EACH).map(|_| places.take("slow").unwrap()).collect();
        assert!(places.take("slow").is_err());
        let others: Vec<_> = (EACH..ALL).map(|_| places.take("other").unwrap()).collect();
        assert!(places.take("third").is_err() && places.take("other").is_err());
        slow.pop();
        let third = places.take("third").unwrap();
        assert!(places.take("slow").is_err(), "all places are taken");
        drop((others, third));
        assert!(places.take("slow").is_ok());
        drop(slow);
        assert!(places.0.lock().unwrap().is_empty());
    }
}
