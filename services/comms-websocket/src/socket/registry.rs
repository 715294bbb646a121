use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::Gauge;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use yard_authn::Grant;

use crate::app::{App, AppId};
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
    of_app: HashMap<AppId, usize>,
    draining: bool,
}

/// A socket, and what lets it be here. One that has proved nothing hears public channels only, and
/// nothing can end for it.
struct Place {
    outbox: Arc<Outbox>,
    app: AppId,
    /// Whom the app's server vouches for.
    user: Option<Box<str>>,
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
        app: &App,
        most: usize,
    ) -> Result<Entry, Closing> {
        let mut open = self.open();
        if open.draining {
            return Err(Closing::Draining);
        }
        if open.by_id.len() >= most {
            return Err(Closing::OverCapacity);
        }
        // Looked at again under the lock: who comes in behind the end of an app is not let in.
        if let Some(why) = app.refusal() {
            return Err(why);
        }
        let id = app.id();
        let of_app = open.of_app.entry(id).or_default();
        if *of_app >= app.with_settings(|settings| settings.max_connections) {
            return Err(Closing::OverQuota);
        }
        *of_app += 1;
        let outbox_of = Arc::clone(outbox);
        let place = Place { outbox: outbox_of, app: id, user: None, grants: Vec::new() };
        open.by_id.insert(outbox.id(), place);
        drop(open);
        self.gauge.increment(1);
        Ok(Entry { registry: Arc::clone(self), id: outbox.id() })
    }

    /// How many sockets of an app are open.
    pub(super) fn of_app(&self, app: AppId) -> usize {
        self.open().of_app.get(&app).copied().unwrap_or(0)
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

    /// Closes the sockets of an app, or of one user of it, on this instance.
    pub(super) fn end_app(&self, app: AppId, user: Option<&str>, why: Closing) {
        let of = |place: &&Place| {
            place.app == app && user.is_none_or(|user| place.user.as_deref() == Some(user))
        };
        let ended: Vec<Arc<Outbox>> = {
            let open = self.open();
            open.by_id.values().filter(of).map(|place| Arc::clone(&place.outbox)).collect()
        };
        for outbox in ended {
            outbox.close(why);
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// The socket speaks for this user of its app from now on.
    pub(super) fn sign_in(&self, user: &str) {
        if let Some(place) = self.registry.open().by_id.get_mut(&self.id) {
            place.user = Some(user.into());
        }
    }

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

impl Open {
    fn remove(&mut self, id: u64) {
        let Some(Place { app, .. }) = self.by_id.remove(&id) else { return };
        let left = self.of_app.get_mut(&app).map(|of_app| {
            *of_app = of_app.saturating_sub(1);
            *of_app
        });
        if left == Some(0) {
            self.of_app.remove(&app);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.registry.open().remove(self.id);
        self.registry.gauge.decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{AppSettings, Secrets};
    use crate::hub::Limits;

    fn app(number: u64, max_connections: usize) -> App {
        let settings = AppSettings { max_connections, ..AppSettings::default() };
        App::new(AppId::new(number), "k", None, Secrets::new([]), settings)
    }

    fn outbox(id: u64) -> Arc<Outbox> {
        Arc::new(Outbox::new(id, Limits { items: 8, bytes: 8_192 }, "1.1"))
    }

    #[test]
    fn app_with_all_its_sockets_takes_no_more_until_one_leaves() {
        let registry = Arc::new(Registry::new(Gauge::noop()));
        let (one, two) = (app(1, 1), app(2, 1));
        let enter = |app: &App, id| registry.enter(&outbox(id), app, 9);
        let first = enter(&one, 1).ok();
        assert_eq!(enter(&one, 2).err(), Some(Closing::OverQuota));
        assert!(enter(&two, 3).is_ok());
        drop(first);
        assert!(enter(&one, 4).is_ok());
    }

    #[test]
    fn socket_that_comes_behind_the_end_of_its_app_is_not_let_in() {
        let registry = Arc::new(Registry::new(Gauge::noop()));
        let app = app(1, 9);
        let early = outbox(1);
        let entry = registry.enter(&early, &app, 9).ok();
        let off = AppSettings { enabled: false, ..AppSettings::default() };
        app.change(Secrets::new([]), off);
        registry.end_app(app.id(), None, Closing::AppDisabled);
        assert_eq!(early.closing(), Some(Closing::AppDisabled));
        assert_eq!(registry.enter(&outbox(2), &app, 9).err(), Some(Closing::AppDisabled));
        drop(entry);
    }

    #[test]
    fn ending_a_user_ends_their_sockets_of_that_app_only() {
        let registry = Arc::new(Registry::new(Gauge::noop()));
        let (app, other) = (app(1, 9), app(2, 9));
        let boxes: Vec<_> = (0..4).map(outbox).collect();
        let enter = |app: &App, n: usize| registry.enter(&boxes[n], app, 9).unwrap();
        let entries = [enter(&app, 0), enter(&app, 1), enter(&other, 2), enter(&app, 3)];
        for (entry, user) in entries.iter().zip(["7", "8", "7", "7"]) {
            entry.sign_in(user);
        }
        registry.end_app(app.id(), Some("7"), Closing::Terminated);
        let ended: Vec<_> = boxes.iter().map(|outbox| outbox.closing().is_some()).collect();
        assert_eq!(ended, [true, false, false, true]);
    }

    #[tokio::test]
    async fn socket_that_comes_behind_a_drain_is_sent_elsewhere() {
        let registry = Arc::new(Registry::new(Gauge::noop()));
        let (app, early, late) = (app(1, 9), outbox(1), outbox(2));
        let entry = registry.enter(&early, &app, 1).ok();
        assert_eq!(registry.enter(&late, &app, 1).err(), Some(Closing::OverCapacity));
        registry.drain(Duration::from_secs(1)).await;
        assert_eq!(early.closing(), Some(Closing::Draining));
        drop(entry);
        assert_eq!(registry.enter(&late, &app, 1).err(), Some(Closing::Draining));
    }
}
