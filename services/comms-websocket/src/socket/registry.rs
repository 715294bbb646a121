use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::Gauge;
use tokio::time::sleep;

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
    by_id: HashMap<u64, Arc<Outbox>>,
    draining: bool,
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
        open.by_id.insert(outbox.id(), Arc::clone(outbox));
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
            open.by_id.values().cloned().collect()
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

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
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
