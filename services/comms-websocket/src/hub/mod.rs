//! Who listens to which channel on this instance, and the NATS interest that follows from it.

mod event;
mod interest;
mod live;
mod outbox;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use yard_messaging::Nats;
use yard_runtime::{Runtime, Tasks};

use crate::channel::{ChannelName, Topic};
use crate::telemetry::Meters;

pub(crate) use event::ChannelEvent;
use live::Live;
pub(crate) use outbox::{Item, Limits, Outbox};

/// All channels that somebody here is in. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub {
    inner: Arc<Inner>,
}

struct Inner {
    nats: Nats,
    tasks: Tasks,
    meters: Arc<Meters>,
    channels: Mutex<HashMap<ChannelName, Arc<Live>>>,
    next: AtomicU64,
}

/// One listener's place in one channel; dropping it leaves.
pub(crate) struct Membership {
    hub: Hub,
    live: Arc<Live>,
    outbox: Arc<Outbox>,
}

impl Hub {
    pub(crate) fn new(nats: Nats, rt: &Runtime, meters: Arc<Meters>) -> Self {
        let inner = Inner {
            nats,
            tasks: rt.tasks().clone(),
            meters,
            channels: Mutex::default(),
            next: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// A queue for one listener.
    pub(crate) fn outbox(&self, limits: Limits) -> Arc<Outbox> {
        Arc::new(Outbox::new(self.inner.next.fetch_add(1, Ordering::Relaxed), limits))
    }

    /// Joins. The first message that comes by the queue is the channel's
    /// `subscription_succeeded`: it is there as soon as the broker knows our interest, and every
    /// event after it is heard. Joining twice is joining once.
    pub(crate) fn join(&self, name: &ChannelName, outbox: &Arc<Outbox>) -> Membership {
        let mut channels = self.channels();
        let live = match channels.get(name) {
            Some(live) => Arc::clone(live),
            None => {
                let live = self.open(name);
                channels.insert(name.clone(), Arc::clone(&live));
                live
            }
        };
        live.add(outbox);
        self.inner.meters.subscriptions.increment(1);
        Membership { hub: self.clone(), live, outbox: Arc::clone(outbox) }
    }

    /// The first listener came: asks NATS for what the channel carries.
    fn open(&self, name: &ChannelName) -> Arc<Live> {
        let topic = Topic::of(name);
        let live = Arc::new(Live::new(name.clone(), topic.is_none()));
        if let Some(topic) = topic {
            let (nats, meters) = (self.inner.nats.clone(), Arc::clone(&self.inner.meters));
            let work = interest::listen(nats, topic, Arc::clone(&live), meters);
            self.inner.tasks.spawn_request(work);
        }
        live
    }

    fn leave(&self, live: &Arc<Live>, outbox: &Outbox) {
        let mut channels = self.channels();
        // Both happen under one lock, so that nobody joins a channel that is being given up.
        if live.remove(outbox) {
            channels.remove(live.name());
            live.abandon();
        }
        drop(channels);
        outbox.forget(live.name());
        self.inner.meters.subscriptions.decrement(1);
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<ChannelName, Arc<Live>>> {
        self.inner.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Membership {
    /// Says `subscription_succeeded` again, for a client that asks twice.
    pub(crate) fn confirm(&self) {
        self.live.confirm(&self.outbox);
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.hub.leave(&self.live, &self.outbox);
    }
}
