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
    open: Mutex<HashMap<u64, Arc<Outbox>>>,
    gauge: Gauge,
}

/// A socket's entry; dropping it removes it.
pub(super) struct Entry {
    registry: Arc<Registry>,
    id: u64,
}

impl Registry {
    pub(super) fn new(gauge: Gauge) -> Self {
        Self {
            open: Mutex::default(),
            gauge,
        }
    }

    /// `None` when `most` are open.
    pub(super) fn enter(self: &Arc<Self>, outbox: &Arc<Outbox>, most: usize) -> Option<Entry> {
        let mut open = self.open();
        if open.len() >= most {
            return None;
        }
        open.insert(outbox.id(), Arc::clone(outbox));
        drop(open);
        self.gauge.increment(1);
        Some(Entry {
            registry: Arc::clone(self),
            id: outbox.id(),
        })
    }

    /// Closes every socket with 4200, spread evenly over `window`: clients come back at once and
    /// without a pause of their own choosing, so the pauses have to be ours.
    pub(super) async fn drain(&self, window: Duration) {
        let all: Vec<Arc<Outbox>> = self.open().values().cloned().collect();
        let waves = (window.as_millis() / WAVE.as_millis()).max(1);
        let each = all
            .len()
            .div_ceil(usize::try_from(waves).unwrap_or(usize::MAX))
            .max(1);
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

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Outbox>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.registry.open().remove(&self.id);
        self.registry.gauge.decrement(1);
    }
}
