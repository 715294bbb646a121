use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::User;
use crate::app::AppId;
use crate::hub::Outbox;
use crate::protocol;

/// Who is signed in here, and who here watches whom. Cheap to clone; telling never waits.
#[derive(Clone, Default)]
pub(crate) struct WatchLists(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    told: Notify,
}

#[derive(Default)]
struct State {
    /// Signed-in sockets here, by whose they are.
    here: HashMap<User, u32>,
    /// Who is watched here, by which listeners.
    watched: HashMap<User, HashMap<u64, Watcher>>,
    pending: Pending,
}

struct Watcher {
    outbox: Arc<Outbox>,
    /// What it was told last.
    told: Option<bool>,
}

/// All that is to be done since it was last looked.
#[derive(Default)]
pub(super) struct Pending {
    /// Whose first socket here came, or whose last one went.
    pub(super) changed: HashSet<User>,
    /// Who is watched anew, or by nobody any more.
    pub(super) interests: HashSet<User>,
    /// Of whom it has to be looked whether they are online.
    pub(super) doubted: HashSet<User>,
}

/// A signed-in socket, seen by those who watch its user; dropping it ends that, and its own watching.
pub(crate) struct Seen {
    lists: WatchLists,
    user: User,
    outbox: Arc<Outbox>,
    watches: HashSet<User>,
}

impl WatchLists {
    /// A socket is signed in from now on.
    pub(crate) fn appear(&self, app: AppId, user: &str, outbox: &Arc<Outbox>) -> Seen {
        let user = User::new(app, user);
        let mut state = self.state();
        let sockets = state.here.entry(user.clone()).or_default();
        *sockets += 1;
        if *sockets == 1 {
            state.pending.changed.insert(user.clone());
        }
        drop(state);
        self.0.told.notify_one();
        Seen { lists: self.clone(), user, outbox: Arc::clone(outbox), watches: HashSet::new() }
    }

    /// Whether nobody is signed in here.
    pub(crate) fn is_empty(&self) -> bool {
        self.state().here.is_empty()
    }

    pub(super) fn is_here(&self, user: &User) -> bool {
        self.state().here.contains_key(user)
    }

    pub(super) fn is_watched(&self, user: &User) -> bool {
        self.state().watched.contains_key(user)
    }

    /// Somebody who is watched here may have come or left.
    pub(super) fn doubt(&self, user: User) {
        let mut state = self.state();
        if state.watched.contains_key(&user) {
            state.pending.doubted.insert(user);
        }
        drop(state);
        self.0.told.notify_one();
    }

    /// Anybody may have come or left.
    pub(super) fn doubt_all(&self) {
        let mut state = self.state();
        let all: Vec<User> = state.watched.keys().cloned().collect();
        state.pending.doubted.extend(all);
        drop(state);
        self.0.told.notify_one();
    }

    /// Everything has to be said anew.
    pub(super) fn say_all(&self) {
        let mut state = self.state();
        let all: Vec<User> = state.here.keys().cloned().collect();
        state.pending.changed.extend(all);
        drop(state);
        self.doubt_all();
    }

    /// Tells watchers how it stands, one event for each of them; nothing of what they know.
    pub(super) fn tell(&self, found: &[(User, bool)]) {
        let mut news: HashMap<u64, News> = HashMap::new();
        let mut state = self.state();
        for (user, online) in found {
            for (id, watcher) in state.watched.get_mut(user).into_iter().flatten() {
                if watcher.told.replace(*online) == Some(*online) {
                    continue;
                }
                let outbox = &watcher.outbox;
                news.entry(*id).or_insert_with(|| News::new(outbox)).add(&user.id, *online);
            }
        }
        drop(state);
        for News { outbox, online, offline } in news.into_values() {
            outbox.say(protocol::watchlist(&online, &offline));
        }
    }

    /// Takes all there is; waits while there is nothing.
    pub(super) async fn take(&self) -> Pending {
        loop {
            let pending = std::mem::take(&mut self.state().pending);
            if !pending.is_empty() {
                return pending;
            }
            self.0.told.notified().await;
        }
    }

    /// Puts back what could not be done.
    pub(super) fn put_back(&self, left: Pending) {
        let mut state = self.state();
        state.pending.changed.extend(left.changed);
        state.pending.interests.extend(left.interests);
        state.pending.doubted.extend(left.doubted);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one watcher is told.
struct News {
    outbox: Arc<Outbox>,
    online: Vec<Arc<str>>,
    offline: Vec<Arc<str>>,
}

impl News {
    fn new(outbox: &Arc<Outbox>) -> Self {
        Self { outbox: Arc::clone(outbox), online: Vec::new(), offline: Vec::new() }
    }

    fn add(&mut self, id: &Arc<str>, online: bool) {
        let of = if online { &mut self.online } else { &mut self.offline };
        of.push(Arc::clone(id));
    }
}

impl Seen {
    /// Watches these users of the same app, and none of those it watched before; how each of them
    /// stands is told once, and then what changes.
    pub(crate) fn watch(&mut self, ids: &[String]) {
        let wanted: HashSet<User> = ids.iter().map(|id| User::new(self.user.app, id)).collect();
        let mut state = self.lists.state();
        for user in self.watches.difference(&wanted) {
            state.unwatch(user, self.outbox.id());
        }
        for user in &wanted {
            state.watch(user, &self.outbox);
        }
        drop(state);
        self.watches = wanted;
        self.lists.0.told.notify_one();
    }
}

impl State {
    fn watch(&mut self, user: &User, outbox: &Arc<Outbox>) {
        let watchers = self.watched.entry(user.clone()).or_default();
        let first = watchers.is_empty();
        watchers.insert(outbox.id(), Watcher { outbox: Arc::clone(outbox), told: None });
        if first {
            // Looked at once the broker knows the interest: nothing is missed between the two.
            self.pending.interests.insert(user.clone());
        } else {
            self.pending.doubted.insert(user.clone());
        }
    }

    fn unwatch(&mut self, user: &User, listener: u64) {
        let Some(watchers) = self.watched.get_mut(user) else { return };
        watchers.remove(&listener);
        if watchers.is_empty() {
            self.watched.remove(user);
            self.pending.interests.insert(user.clone());
        }
    }

    fn leave(&mut self, user: &User) {
        let left = self.here.get_mut(user).map(|sockets| {
            *sockets = sockets.saturating_sub(1);
            *sockets
        });
        if left == Some(0) {
            self.here.remove(user);
            self.pending.changed.insert(user.clone());
        }
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        let mut state = self.lists.state();
        for user in &self.watches {
            state.unwatch(user, self.outbox.id());
        }
        state.leave(&self.user);
        drop(state);
        self.lists.0.told.notify_one();
    }
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.interests.is_empty() && self.doubted.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{Item, Limits};

    const APP: AppId = AppId::new(1);

    fn outbox(id: u64) -> Arc<Outbox> {
        Arc::new(Outbox::new(id, Limits { items: 8, bytes: 8_192 }, "1.1"))
    }

    fn said(outbox: &Outbox) -> Option<String> {
        let Item::Frame(frame) = outbox.pop()? else { return None };
        Some(frame.to_string())
    }

    fn found(users: &[(&str, bool)]) -> Vec<(User, bool)> {
        users.iter().map(|(id, online)| (User::new(APP, id), *online)).collect()
    }

    #[test]
    fn watcher_is_told_each_state_once_and_of_its_own_list_only() {
        let lists = WatchLists::default();
        let (one, two) = (outbox(1), outbox(2));
        let mut watcher = lists.appear(APP, "w", &one);
        watcher.watch(&["a".to_owned(), "b".to_owned()]);
        lists.tell(&found(&[("a", true), ("b", false), ("c", true)]));
        let first = said(&one).unwrap();
        assert!(first.contains("online") && first.contains("offline"), "{first}");
        assert!(!first.contains(r#"\"c\""#), "{first}");
        lists.tell(&found(&[("a", true), ("b", false)]));
        assert_eq!((said(&one), said(&two)), (None, None));
        watcher.watch(&["b".to_owned()]);
        lists.tell(&found(&[("a", false), ("b", false)]));
        let again = said(&one).unwrap();
        assert!(again.contains(r#"\"b\""#) && !again.contains(r#"\"a\""#), "{again}");
        drop(watcher);
        lists.tell(&found(&[("b", true)]));
        assert_eq!(said(&one), None);
    }

    #[tokio::test]
    async fn only_first_and_last_socket_of_somebody_change_anything() {
        let lists = WatchLists::default();
        let user = User::new(APP, "a");
        let first = lists.appear(APP, "a", &outbox(1));
        assert!(lists.take().await.changed.contains(&user));
        let second = lists.appear(APP, "a", &outbox(2));
        drop(first);
        assert!(lists.state().pending.is_empty() && lists.is_here(&user));
        drop(second);
        assert!(lists.take().await.changed.contains(&user));
        assert!(lists.is_empty());
    }
}
