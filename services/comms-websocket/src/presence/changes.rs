use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::channel::ChannelKey;
use crate::hub::Live;

/// Somebody in a presence channel, as the app's server vouches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) id: Box<str>,
    /// What is told of them, JSON.
    pub(crate) info: Arc<str>,
}

/// What has changed here and is yet to be said in Redis. Cheap to clone; telling never waits.
#[derive(Clone, Default)]
pub(crate) struct Changes(Arc<Shared>);

#[derive(Default)]
struct Shared {
    pending: Mutex<Pending>,
    told: Notify,
}

/// All changes since it was last looked.
#[derive(Default)]
pub(super) struct Pending {
    /// Joins that wait for an answer.
    pub(super) comers: Vec<Comer>,
    /// Who may have come or gone.
    pub(super) people: HashSet<(ChannelKey, Box<str>)>,
    /// Where the number of listeners has changed.
    pub(super) counts: HashSet<ChannelKey>,
}

/// A join that waits for an answer.
pub(super) struct Comer {
    pub(super) live: Arc<Live>,
    /// Of the listener.
    pub(super) id: u64,
    pub(super) user: Option<Box<str>>,
}

impl Changes {
    /// Somebody joins and waits for what the channel keeps.
    pub(crate) fn comes(&self, live: &Arc<Live>, id: u64, user: Option<Box<str>>) {
        let mut pending = self.pending();
        pending.counts.insert(live.key().clone());
        if let Some(user) = &user {
            pending.people.insert((live.key().clone(), user.clone()));
        }
        pending.comers.push(Comer { live: Arc::clone(live), id, user });
        drop(pending);
        self.0.told.notify_one();
    }

    /// Somebody may have left a presence channel.
    pub(crate) fn goes(&self, channel: &ChannelKey, user: Box<str>) {
        let mut pending = self.pending();
        pending.counts.insert(channel.clone());
        pending.people.insert((channel.clone(), user));
        drop(pending);
        self.0.told.notify_one();
    }

    /// The number of listeners has changed.
    pub(crate) fn counts(&self, channel: &ChannelKey) {
        self.pending().counts.insert(channel.clone());
        self.0.told.notify_one();
    }

    /// Takes all there is; waits while there is nothing.
    pub(super) async fn take(&self) -> Pending {
        loop {
            let pending = std::mem::take(&mut *self.pending());
            if !pending.is_empty() {
                return pending;
            }
            self.0.told.notified().await;
        }
    }

    /// Puts back what could not be said.
    pub(super) fn put_back(&self, left: Pending) {
        let mut pending = self.pending();
        pending.comers.extend(left.comers);
        pending.people.extend(left.people);
        pending.counts.extend(left.counts);
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.comers.is_empty() && self.people.is_empty() && self.counts.is_empty()
    }
}
