use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::call::Call;

/// Calls of one tenant that are under way or wait for their turn: what one tenant's receivers can
/// take of the places of all.
const OF_TENANT: usize = 32;
/// Calls to one host at the same time, whoever's they are.
const TO_HOST: usize = 8;
/// How long a call waits for the one before it to the same address.
const TURN: Duration = Duration::from_secs(15);
/// How long it waits for a busy host.
const HOST: Duration = Duration::from_secs(2);
/// Entries that are kept though nobody needs them.
const MOST_IDLE: usize = 1_000;

/// Who may call whom at this moment.
#[derive(Default)]
pub(super) struct Lanes {
    tenants: Counters<String>,
    /// By app and URL. One at a time, so that a receiver hears of things in their order.
    addresses: Counters<(String, String)>,
    hosts: Counters<String>,
}

/// A call's place; dropping it makes room.
pub(super) struct Place {
    _permits: [OwnedSemaphorePermit; 3],
}

impl Lanes {
    /// A place for the call; `None` when its tenant or its receiver has too many.
    pub(super) async fn enter(&self, call: &Call) -> Option<Place> {
        let tenant = self.tenants.of(call.tenant.clone(), OF_TENANT).try_acquire_owned().ok()?;
        let address = (call.app.clone(), call.url.as_str().to_owned());
        let address = within(TURN, self.addresses.of(address, 1)).await?;
        let host = within(HOST, self.hosts.of(call.host().to_owned(), TO_HOST)).await?;
        Some(Place { _permits: [tenant, address, host] })
    }
}

async fn within(longest: Duration, counter: Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    timeout(longest, counter.acquire_owned()).await.ok()?.ok()
}

struct Counters<K>(Mutex<HashMap<K, Arc<Semaphore>>>);

impl<K> Default for Counters<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Counters<K> {
    fn of(&self, key: K, most: usize) -> Arc<Semaphore> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() > MOST_IDLE {
            all.retain(|_, counter| Arc::strong_count(counter) > 1);
        }
        Arc::clone(all.entry(key).or_insert_with(|| Arc::new(Semaphore::new(most))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(tenant: &str, app: &str, url: &str) -> Call {
        Call {
            tenant: tenant.to_owned(),
            app: app.to_owned(),
            url: url.parse().unwrap(),
            key: String::new(),
            signature: String::new(),
            body: bytes::Bytes::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn address_is_called_one_at_a_time_and_a_host_eight_times() {
        let lanes = Lanes::default();
        let first = lanes.enter(&call("t", "1", "https://a.example/x")).await.unwrap();
        assert!(lanes.enter(&call("t", "1", "https://a.example/x")).await.is_none());
        let mut places = vec![first];
        for app in 2..=8 {
            let call = call("t", &app.to_string(), "https://a.example/x");
            places.push(lanes.enter(&call).await.unwrap());
        }
        let other = call("u", "9", "https://a.example/x");
        assert!(lanes.enter(&other).await.is_none());
        assert!(lanes.enter(&call("u", "9", "https://b.example/x")).await.is_some());
        places.pop();
        assert!(lanes.enter(&other).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn tenant_has_so_many_places_and_no_more() {
        let lanes = Lanes::default();
        let numbered = |n: usize| call("t", "1", &format!("https://{n}.example/"));
        let mut places = Vec::new();
        for n in 0..OF_TENANT {
            places.push(lanes.enter(&numbered(n)).await.unwrap());
        }
        assert!(lanes.enter(&numbered(OF_TENANT)).await.is_none());
        assert!(lanes.enter(&call("u", "2", "https://99.example/")).await.is_some());
        drop(places);
        assert!(lanes.enter(&numbered(0)).await.is_some());
    }
}
