use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::Gauge;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use yard_authn::Grant;

use crate::hub::Outbox;
use crate::protocol::Closing;

/// Time between two waves of a drain.
const WAVE: Duration = Duration::from_millis(100);

/// Every open socket.
pub(super) struct Registry {
    open: Mutex<Open>,
    gauge: Gauge,
}

#[derive(Default)]
struct Open {
    by_id: HashMap<u64, Place>,
    draining: bool,
}

/// A socket, and what lets it be here. One that has proved nothing hears public channels only, and
/// nothing can end for it.
struct Place {
    outbox: Arc<Outbox>,
    grants: Vec<Grant>,
}

/// A socket's entry; dropping it removes it.
pub(super) struct Entry {
    registry: Arc<Registry>,
    id: u64,
}

impl Registry {
    pub(super) fn new(gauge: Gauge) -> Self {
        Self { open: Mutex::default(), gauge }
    }

    /// Refuses when `most` are open, and once a drain has begun: who comes in behind it would be
    /// told nothing and hold up the stop.
    pub(super) fn enter(
        self: &Arc<Self>,
        outbox: &Arc<Outbox>,
        most: usize,
    ) -> Result<Entry, Closing> {
        let mut open = self.open();
        if open.draining {
            return Err(Closing::Draining);
        }
        if open.by_id.len() >= most {
            return Err(Closing::OverCapacity);
        }
        let place = Place { outbox: Arc::clone(outbox), grants: Vec::new() };
        open.by_id.insert(outbox.id(), place);
        drop(open);
        self.gauge.increment(1);
        Ok(Entry { registry: Arc::clone(self), id: outbox.id() })
    }

    /// Closes every socket with 4200, spread evenly over `window`: clients come back at once and
    /// without a pause of their own choosing, so the pauses have to be ours.
    pub(super) async fn drain(&self, window: Duration) {
        let all: Vec<Arc<Outbox>> = {
            let mut open = self.open();
            open.draining = true;
            open.by_id.values().map(|place| Arc::clone(&place.outbox)).collect()
        };
        let waves = (window.as_millis() / WAVE.as_millis()).max(1);
        let each = all.len().div_ceil(usize::try_from(waves).unwrap_or(usize::MAX)).max(1);
        tracing::info!(sockets = all.len(), "closing all sockets");
        for (number, wave) in all.chunks(each).enumerate() {
            if number > 0 {
                sleep(WAVE).await;
            }
            for outbox in wave {
                outbox.close(Closing::Draining);
            }
        }
    }

    /// Says something to every socket.
    pub(super) fn announce(&self, frame: &Utf8Bytes) {
        let places = |open: &Open| -> Vec<Arc<Outbox>> {
            open.by_id.values().map(|place| Arc::clone(&place.outbox)).collect()
        };
        let all = places(&self.open());
        for outbox in all {
            outbox.say(frame.clone());
        }
    }

    /// Closes every socket that has a grant which `judge` gives a reason against.
    pub(super) fn end(&self, judge: impl Fn(&Grant) -> Option<Closing>) {
        let mut ended = Vec::new();
        for place in self.open().by_id.values() {
            if let Some(why) = place.grants.iter().find_map(&judge) {
                ended.push((Arc::clone(&place.outbox), why));
            }
        }
        for (outbox, why) in ended {
            outbox.close(why);
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// The socket ends with this grant from now on.
    pub(super) fn bind(&self, grant: Grant) {
        let mut open = self.registry.open();
        let Some(place) = open.by_id.get_mut(&self.id) else { return };
        let source = |grant: &Grant| (grant.session, grant.api_token, grant.person);
        // Of one session only the newest is kept: a page joins many channels.
        match place.grants.iter_mut().find(|known| source(known) == source(&grant)) {
            Some(known) if known.issued_ms < grant.issued_ms => *known = grant,
            Some(_) => {}
            None => place.grants.push(grant),
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.registry.open().by_id.remove(&self.id);
        self.registry.gauge.decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Limits;

    #[tokio::test]
    async fn socket_that_comes_behind_a_drain_is_sent_elsewhere() {
        let registry = Arc::new(Registry::new(Gauge::noop()));
        let outbox = |id| Arc::new(Outbox::new(id, Limits { items: 8, bytes: 8_192 }));
        let (early, late) = (outbox(1), outbox(2));
        let entry = registry.enter(&early, 1).ok();
        assert_eq!(registry.enter(&late, 1).err(), Some(Closing::OverCapacity));
        registry.drain(Duration::from_secs(1)).await;
        assert_eq!(early.closing(), Some(Closing::Draining));
        drop(entry);
        assert_eq!(registry.enter(&late, 1).err(), Some(Closing::Draining));
    }
}
