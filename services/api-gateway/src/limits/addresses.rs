use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use yard_limits::{Network, network};

/// How many of something each address has at the same time. Addresses that have none are forgotten.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    counts: Arc<Mutex<HashMap<Network, usize>>>,
    most: usize,
}

/// One of an address's; given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    counts: Arc<Mutex<HashMap<Network, usize>>>,
    address: Network,
}

impl Addresses {
    pub(crate) fn new(most: usize) -> Self {
        Self { counts: Arc::default(), most }
    }

    /// One more; `None` when the address has as many as it may.
    pub(crate) fn hold(&self, address: IpAddr) -> Option<Held> {
        let address = network(address);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Held { counts: Arc::clone(&self.counts), address })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_has_as_many_as_it_may_and_none_is_remembered_for_ever() {
        let addresses = Addresses::new(2);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = addresses.hold(address("2001:db8::1")).unwrap();
        let second = addresses.hold(address("2001:db8::2")).unwrap();
        assert!(addresses.hold(address("2001:db8::3")).is_none());
        assert!(addresses.hold(address("192.0.2.1")).is_some());
        drop(first);
        assert!(addresses.hold(address("2001:db8::3")).is_some());
        drop(second);
        assert!(addresses.counts.lock().unwrap().is_empty());
    }
}
