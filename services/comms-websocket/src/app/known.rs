use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use yard_ids::TenantId;

use super::source::Found;
use super::{App, AppId};
use crate::protocol::Closing;

/// An app is read again after so long; with a second until somebody looks, within 30 seconds.
const OLD: Duration = Duration::from_secs(28);
/// An app that nobody is in and nobody asked for is let go after so long.
const IDLE: Duration = Duration::from_secs(600);
/// As many that nobody is in are kept.
const MOST_IDLE: usize = 10_000;
/// So long an app that is not there is not asked for again.
const MISSED: Duration = Duration::from_secs(10);
const MOST_MISSED: usize = 10_000;
/// What was changed may be stamped so much earlier than it could be read.
const STAMPED_BEFORE_MS: i64 = 3_000;

/// By what an app is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Wanted {
    Key(Box<str>),
    Id(AppId),
}

/// What is known of an app that is asked for.
pub(super) enum Answer {
    There(Arc<App>),
    NotThere,
    Unknown,
}

/// Tenants' apps that this instance has met, one [`App`] for each number.
#[derive(Default)]
pub(super) struct Known {
    apps: HashMap<AppId, Entry>,
    by_key: HashMap<Box<str>, AppId>,
    missed: HashMap<Wanted, Instant>,
    /// Somebody said that they have changed.
    doubted: HashSet<AppId>,
}

struct Entry {
    app: Arc<App>,
    tenant: TenantId,
    read: Instant,
    read_ms: i64,
    used: Instant,
}

impl Known {
    pub(super) fn look(&mut self, wanted: &Wanted, now: Instant) -> Answer {
        let id = match wanted {
            Wanted::Key(key) => self.by_key.get(key).copied(),
            Wanted::Id(id) => Some(*id),
        };
        if let Some(entry) = id.and_then(|id| self.apps.get_mut(&id)) {
            entry.used = now;
            return Answer::There(Arc::clone(&entry.app));
        }
        match self.missed.get(wanted) {
            Some(since) if now.duration_since(*since) < MISSED => Answer::NotThere,
            Some(_) | None => Answer::Unknown,
        }
    }

    /// Takes in what was read. Whoever holds the app sees the change.
    pub(super) fn learn(&mut self, found: Found, now: Instant) -> Arc<App> {
        let Found { id, key, tenant, secrets, settings, read_ms } = found;
        if let Some(entry) = self.apps.get_mut(&id) {
            entry.app.change(secrets, settings);
            (entry.read, entry.read_ms) = (now, read_ms);
            return Arc::clone(&entry.app);
        }
        let app = Arc::new(App::new(id, &key, Some(tenant), secrets, settings));
        let entry = Entry { app: Arc::clone(&app), tenant, read: now, read_ms, used: now };
        self.apps.insert(id, entry);
        self.by_key.insert(key, id);
        app
    }

    /// There is no such app.
    pub(super) fn miss(&mut self, wanted: Wanted, now: Instant) {
        if self.missed.len() >= MOST_MISSED {
            self.missed.retain(|_, since| now.duration_since(*since) < MISSED);
        }
        if self.missed.len() >= MOST_MISSED {
            self.missed.clear();
        }
        self.missed.insert(wanted, now);
    }

    /// The app is no more; who holds it sees that. `false` if it was not known.
    pub(super) fn lose(&mut self, id: AppId, now: Instant) -> bool {
        let Some(entry) = self.apps.remove(&id) else { return false };
        entry.app.delete();
        self.by_key.remove(entry.app.key());
        self.miss(Wanted::Key(entry.app.key().into()), now);
        self.miss(Wanted::Id(id), now);
        true
    }

    /// The app may have changed: it is read again.
    pub(super) fn doubt(&mut self, id: AppId) {
        // Of those that are not known nothing can be wrong, but one may be on its way in.
        if self.doubted.len() < MOST_IDLE || self.apps.contains_key(&id) {
            self.doubted.insert(id);
        }
    }

    /// Takes those that have to be read again. `changed` says whether a tenant has changed since a
    /// moment.
    pub(super) fn due(
        &mut self,
        now: Instant,
        changed: impl Fn(TenantId, i64) -> bool,
    ) -> Vec<AppId> {
        let doubted = std::mem::take(&mut self.doubted);
        let is_due = |id: &AppId, entry: &Entry| {
            doubted.contains(id)
                || now.duration_since(entry.read) >= OLD
                || changed(entry.tenant, entry.read_ms.saturating_sub(STAMPED_BEFORE_MS))
        };
        self.apps.iter().filter(|(id, entry)| is_due(id, entry)).map(|(id, _)| *id).collect()
    }

    /// Lets go of what nobody needs.
    pub(super) fn sweep(&mut self, now: Instant) {
        let idle = if self.apps.len() > MOST_IDLE { Duration::ZERO } else { IDLE };
        // Nobody gets hold of one but through here.
        let needed = |entry: &Entry| {
            Arc::strong_count(&entry.app) > 1 || now.duration_since(entry.used) < idle
        };
        self.apps.retain(|_, entry| needed(entry));
        self.by_key.retain(|_, id| self.apps.contains_key(id));
        self.missed.retain(|_, since| now.duration_since(*since) < MISSED);
    }

    /// Why nobody may be in the app; `None` while it is open.
    pub(super) fn refusal(&self, id: AppId) -> Option<Closing> {
        self.apps.get(&id).and_then(|entry| entry.app.refusal())
    }
}

#[cfg(test)]
mod tests {
    use yard_ids::{IdSource as _, RandomIds};

    use super::*;
    use crate::app::{AppSettings, Secrets};

    fn found(number: u64) -> Found {
        Found {
            id: AppId::new(number),
            key: format!("key-{number}").into(),
            tenant: TenantId::from_uuid(RandomIds.uuid7()),
            secrets: Secrets::new([]),
            settings: AppSettings::default(),
            read_ms: 10_000,
        }
    }

    fn never(_: TenantId, _: i64) -> bool {
        false
    }

    fn is_there(known: &mut Known, wanted: &Wanted, now: Instant) -> bool {
        matches!(known.look(wanted, now), Answer::There(_))
    }

    #[tokio::test(start_paused = true)]
    async fn app_that_is_read_again_is_the_same_one_changed() {
        let (mut known, now) = (Known::default(), Instant::now());
        let first = known.learn(found(7), now);
        let off = AppSettings { enabled: false, ..AppSettings::default() };
        let second = known.learn(Found { settings: off, ..found(7) }, now);
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(first.refusal(), Some(Closing::AppDisabled));
        assert_eq!(known.refusal(AppId::new(7)), Some(Closing::AppDisabled));
    }

    #[tokio::test(start_paused = true)]
    async fn app_is_due_when_doubted_old_or_its_tenants_changed_and_else_not() {
        let (mut known, now) = (Known::default(), Instant::now());
        known.learn(found(7), now);
        let id = AppId::new(7);
        assert!(known.due(now, never).is_empty());
        known.doubt(id);
        known.doubt(AppId::new(8));
        assert_eq!(known.due(now, never), [id]);
        assert!(known.due(now, never).is_empty(), "a doubt is taken once");
        assert_eq!(known.due(now, |_, since| since == 7_000), [id]);
        assert!(known.due(now + OLD - Duration::from_millis(1), never).is_empty());
        assert_eq!(known.due(now + OLD, never), [id]);
    }

    #[tokio::test(start_paused = true)]
    async fn lost_app_tells_whoever_holds_it_and_is_missed_for_a_while() {
        let (mut known, now) = (Known::default(), Instant::now());
        let held = known.learn(found(7), now);
        assert!(known.lose(AppId::new(7), now));
        assert!(!known.lose(AppId::new(7), now));
        assert_eq!(held.refusal(), Some(Closing::UnknownApp));
        for wanted in [Wanted::Key("key-7".into()), Wanted::Id(AppId::new(7))] {
            assert!(matches!(known.look(&wanted, now), Answer::NotThere));
            assert!(matches!(known.look(&wanted, now + MISSED), Answer::Unknown));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn sweep_keeps_what_is_held_or_was_used_lately() {
        let (mut known, now) = (Known::default(), Instant::now());
        let held = known.learn(found(1), now);
        drop(known.learn(found(2), now));
        known.miss(Wanted::Key("x".into()), now);
        let last = now + IDLE - Duration::from_millis(1);
        known.sweep(last);
        assert!(is_there(&mut known, &Wanted::Key("key-2".into()), now));
        known.sweep(now + IDLE);
        assert!(is_there(&mut known, &Wanted::Key("key-1".into()), now));
        assert!(!is_there(&mut known, &Wanted::Key("key-2".into()), now));
        assert!(known.missed.is_empty());
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn names_that_are_guessed_fill_no_memory() {
        let (mut known, now) = (Known::default(), Instant::now());
        for guess in 0..3 * MOST_MISSED {
            known.miss(Wanted::Key(guess.to_string().into()), now);
            known.doubt(AppId::new(guess as u64));
        }
        assert!(known.missed.len() <= MOST_MISSED && known.doubted.len() <= MOST_IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn apps_that_nobody_is_in_are_let_go_at_once_when_there_are_too_many() {
        let (mut known, now) = (Known::default(), Instant::now());
        for number in 0..=MOST_IDLE as u64 {
            known.learn(found(number), now);
        }
        let held = known.look(&Wanted::Id(AppId::new(3)), now);
        known.sweep(now);
        assert_eq!((known.apps.len(), known.by_key.len()), (1, 1));
        drop(held);
    }
}
