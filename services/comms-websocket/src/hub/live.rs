use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::ChannelEvent;
use super::outbox::{Item, Outbox, Pushed};
use crate::channel::ChannelName;
use crate::protocol;
use crate::telemetry::{self, Meters};

/// A channel that somebody here is in.
pub(super) struct Live {
    name: ChannelName,
    members: Mutex<Members>,
    abandoned: CancellationToken,
}

struct Members {
    /// The broker knows our interest; until then joins are not confirmed.
    heard: bool,
    by_id: HashMap<u64, Arc<Outbox>>,
}

impl Live {
    pub(super) fn new(name: ChannelName, heard: bool) -> Self {
        let members = Members { heard, by_id: HashMap::new() };
        Self { name, members: Mutex::new(members), abandoned: CancellationToken::new() }
    }

    pub(super) const fn name(&self) -> &ChannelName {
        &self.name
    }

    pub(super) fn add(&self, outbox: &Arc<Outbox>) {
        let mut members = self.members();
        if members.heard {
            self.succeeded(outbox);
        }
        members.by_id.insert(outbox.id(), Arc::clone(outbox));
    }

    /// Whether nobody is left.
    pub(super) fn remove(&self, outbox: &Outbox) -> bool {
        let mut members = self.members();
        members.by_id.remove(&outbox.id());
        members.by_id.is_empty()
    }

    pub(super) fn confirm(&self, outbox: &Outbox) {
        if self.members().heard {
            self.succeeded(outbox);
        }
    }

    /// The interest is in place: confirms everyone who joined meanwhile.
    pub(super) fn begin(&self) {
        let mut members = self.members();
        members.heard = true;
        for outbox in members.by_id.values() {
            self.succeeded(outbox);
        }
    }

    /// Gives an event to every member. Never waits: a full queue is its owner's trouble.
    pub(super) fn publish(&self, event: &str, data: Bytes, meters: &Meters) {
        let began = Instant::now();
        let Some(event) = ChannelEvent::new(&self.name, event, data) else {
            telemetry::event_refused("not_json");
            return;
        };
        let event = Arc::new(event);
        for outbox in self.members().by_id.values() {
            match outbox.push(Item::Event(Arc::clone(&event))) {
                Pushed::Queued | Pushed::Closed => {}
                Pushed::Conflated(left_out) => telemetry::slow("conflated", left_out),
                Pushed::Overflowed => telemetry::slow("closed", 1),
            }
        }
        meters.fanout.record(began.elapsed().as_secs_f64());
    }

    /// Nobody is left: the interest ends.
    pub(super) fn abandon(&self) {
        self.abandoned.cancel();
    }

    pub(super) async fn abandoned(&self) {
        self.abandoned.cancelled().await;
    }

    fn succeeded(&self, outbox: &Outbox) {
        let frame = protocol::subscription_succeeded(self.name.as_str());
        // An overflow here is seen by the socket itself, as any other.
        if let Pushed::Overflowed = outbox.push(Item::Frame(frame)) {
            telemetry::slow("closed", 1);
        }
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
