//! Who listens to which channel on this instance, and the NATS interest that follows from it.

mod event;
mod gather;
mod interest;
mod live;
mod outbox;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use yard_runtime::{Runtime, Tasks};

use crate::bus::{Bus, Said};
use crate::channel::{ChannelKey, ChannelName, Kind, Topic};
use crate::presence::{Changes, Person};
use crate::telemetry::Meters;

pub(crate) use event::ChannelEvent;
use live::Comer;
pub(crate) use live::Live;
pub(crate) use outbox::{Item, Limits, Outbox};

/// All channels that somebody here is in. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub {
    inner: Arc<Inner>,
}

struct Inner {
    bus: Bus,
    tasks: Tasks,
    meters: Arc<Meters>,
    channels: Mutex<HashMap<ChannelKey, Arc<Live>>>,
    next: AtomicU64,
    changes: Changes,
}

/// One listener's place in one channel; dropping it leaves.
pub(crate) struct Membership {
    hub: Hub,
    live: Arc<Live>,
    outbox: Arc<Outbox>,
}

/// What a listener wants to be in.
pub(crate) struct Join {
    pub(crate) channel: ChannelKey,
    /// What of the live bus it carries.
    pub(crate) topic: Option<Topic>,
    /// Who comes, in a presence channel.
    pub(crate) person: Option<Person>,
}

impl Hub {
    /// What changes of who is where is told to `changes`.
    pub(crate) fn new(bus: Bus, rt: &Runtime, meters: Arc<Meters>, changes: Changes) -> Self {
        let inner = Inner {
            bus,
            tasks: rt.tasks().clone(),
            meters,
            channels: Mutex::default(),
            next: AtomicU64::new(0),
            changes,
        };
        Self { inner: Arc::new(inner) }
    }

    /// A queue for one listener; `socket` is its id, empty for what is none.
    pub(crate) fn outbox(&self, limits: Limits, socket: &str) -> Arc<Outbox> {
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        Arc::new(Outbox::new(id, limits, socket))
    }

    /// Joins. The first message that comes by the queue is the channel's
    /// `subscription_succeeded`: it is there as soon as the broker knows our interest and what the
    /// channel keeps is read, and every event after it is heard. Joining twice is joining once.
    pub(crate) fn join(&self, join: Join, outbox: &Arc<Outbox>) -> Membership {
        let Join { channel, topic, person } = join;
        let waits = waits(&channel.name);
        let user = person.as_ref().map(|person| person.id.clone());
        let mut channels = self.channels();
        let live = match channels.get(&channel) {
            Some(live) => Arc::clone(live),
            None => {
                let live = self.open(channel.clone(), topic);
                channels.insert(channel, Arc::clone(&live));
                live
            }
        };
        let now = live.add(Comer { outbox, person, waits });
        drop(channels);
        if now {
            self.inner.changes.comes(&live, outbox.id(), user);
        } else if !waits {
            self.inner.changes.counts(live.key());
        }
        self.inner.meters.subscriptions.increment(1);
        Membership { hub: self.clone(), live, outbox: Arc::clone(outbox) }
    }

    /// The first listener came: asks NATS for what the channel carries.
    fn open(&self, channel: ChannelKey, topic: Option<Topic>) -> Arc<Live> {
        let live = Arc::new(Live::new(channel));
        let (bus, meters) = (self.inner.bus.clone(), Arc::clone(&self.inner.meters));
        let work =
            interest::listen(bus, topic, Arc::clone(&live), meters, self.inner.changes.clone());
        self.inner.tasks.spawn_request(work);
        live
    }

    fn leave(&self, live: &Arc<Live>, outbox: &Outbox) {
        let mut channels = self.channels();
        // Both happen under one lock, so that nobody joins a channel that is being given up.
        let (user, empty) = live.remove(outbox);
        if empty {
            channels.remove(live.key());
            live.abandon();
        }
        drop(channels);
        match user {
            Some(user) => self.inner.changes.goes(live.key(), user),
            None => self.inner.changes.counts(live.key()),
        }
        outbox.forget(live.name());
        self.inner.meters.subscriptions.decrement(1);
    }

    /// The channel, if somebody here is in it.
    pub(crate) fn find(&self, channel: &ChannelKey) -> Option<Arc<Live>> {
        self.channels().get(channel).cloned()
    }

    /// Every channel that somebody here is in.
    pub(crate) fn all(&self) -> Vec<Arc<Live>> {
        self.channels().values().cloned().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.channels().is_empty()
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.inner.bus
    }

    /// Gives what a client says to all others in the channel: those here at once, those of other
    /// instances by the bus, on which it is lost while the broker is away.
    pub(crate) async fn say(&self, channel: &ChannelKey, said: Said) {
        if let Err(error) = self.inner.bus.pass_on(channel, &said).await {
            tracing::debug!(channel = %channel, error = %error, "a client's event was heard here only");
            crate::telemetry::event_refused("broker");
        }
        if let Some(live) = self.find(channel) {
            live.hear(said, &self.inner.meters);
        }
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<ChannelKey, Arc<Live>>> {
        self.inner.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Membership {
    /// Says `subscription_succeeded` again, for a client that asks twice.
    pub(crate) fn confirm(&self) {
        let again = self.live.confirm(&self.outbox, waits(self.live.name()));
        if let Some(user) = again {
            self.hub.inner.changes.comes(&self.live, self.outbox.id(), user);
        }
    }
}

/// Whether a join is answered with what the channel keeps.
fn waits(name: &ChannelName) -> bool {
    name.is_cache() || name.kind() == Kind::Presence
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.hub.leave(&self.live, &self.outbox);
    }
}
