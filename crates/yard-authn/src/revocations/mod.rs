//! The revocation feed: what ended before its time, known to every service within a moment.
//!
//! auth puts it into a JetStream KV bucket, `streams::REVOCATIONS`; every service keeps all of it in
//! memory and looks there for each token. Access tokens live a minute (five for mobiles), so an
//! entry is kept for an hour and forgotten. The same bucket carries the issuer's key set, signed
//! with auth's own key of the trust file, so that who can write to the broker still cannot add a
//! key; and a heartbeat, so that silence is noticed.

mod entry;
mod follow;
mod state;

pub use entry::{HEARTBEAT, KEY_SET, Revocation};
pub use follow::{Need, follow};

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use yard_ids::{PrincipalId, SessionId, TenantId};

use self::state::State;

/// Without news for so long the feed is suspect: who holds much is looked up anew each time.
pub const STALE: Duration = Duration::from_secs(30);
/// Without news for so long a gateway or a socket server is not ready.
pub const LOST: Duration = Duration::from_secs(120);
/// A key that nobody knows has the key set read again at most this often; in between such keys are
/// refused at once, so that made-up ones cost nothing.
const LOOK: Duration = Duration::from_secs(30);

/// What somebody was let in with, as far as it can be withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who.
    pub person: Option<PrincipalId>,
    /// Where.
    pub tenant: Option<TenantId>,
    /// By which session.
    pub session: Option<SessionId>,
    /// By which API token.
    pub api_token: Option<uuid::Uuid>,
    /// The key that signed for it.
    pub kid: Box<str>,
    /// When that was looked up, milliseconds since 1970 by the database's clock.
    pub issued_ms: i64,
    /// When the session or the API token ends by itself, Unix seconds.
    pub ends: Option<i64>,
}

/// What has become of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was heard against it.
    Stands,
    /// What it rests on has changed since: look it up anew, it may stand again.
    Changed,
    /// It has ended, and will not stand again.
    Ended,
}

/// What is known of the feed. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Revocations(Arc<Inner>);

struct Inner {
    state: RwLock<State>,
    /// Grows with every change; what waits for one holds a receiver.
    changes: watch::Sender<u64>,
    heard: RwLock<Instant>,
    /// Somebody met a key that nobody knows.
    wanted: Notify,
    /// When that last led to a look.
    looked: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for Revocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revocations").field("age", &self.age()).finish_non_exhaustive()
    }
}

impl Default for Revocations {
    fn default() -> Self {
        Self::new()
    }
}

impl Revocations {
    /// Knows of nothing, and hears nothing unless [`follow`] fills it.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            state: RwLock::default(),
            changes: watch::Sender::new(0),
            heard: RwLock::new(Instant::now()),
            wanted: Notify::new(),
            looked: Mutex::default(),
        }))
    }

    /// Whether something has ended this since. Its natural end is not looked at.
    #[must_use]
    pub fn refuses(&self, grant: &Grant) -> bool {
        self.standing(grant) != Standing::Stands
    }

    /// What has become of it. Its natural end is not looked at.
    #[must_use]
    pub fn standing(&self, grant: &Grant) -> Standing {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner).standing(grant)
    }

    /// Takes in a revocation; `false` when it was known.
    pub fn apply(&self, what: Revocation, effective_ms: i64) -> bool {
        let label = what.label();
        let new = self.state(|state| state.apply(what, effective_ms, Instant::now()));
        if new {
            metrics::counter!("yard_revocations_total", "kind" => label).increment(1);
            self.touch();
        }
        new
    }

    /// A receiver that sees every change from now on.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Time since anything was heard, a heartbeat included.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.0.heard.read().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Whether the feed has been silent for longer than [`STALE`].
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.age() > STALE
    }

    /// Has the key set read again, if that was not done a moment ago; says whether.
    pub(crate) fn look_for_keys(&self) -> bool {
        let mut looked = self.0.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.is_some_and(|at| at.elapsed() < LOOK) {
            return false;
        }
        *looked = Some(Instant::now());
        self.0.wanted.notify_one();
        true
    }

    fn touch(&self) {
        self.0.changes.send_modify(|version| *version = version.wrapping_add(1));
    }

    fn state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.state.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes that the feed spoke. After a silence as long as entries are kept some may have gone
    /// by unheard: then nothing that was issued before `said_ms` is believed any more.
    fn heard(&self, said_ms: i64) {
        let now = Instant::now();
        let mut heard = self.0.heard.write().unwrap_or_else(PoisonError::into_inner);
        let silence = now.duration_since(*heard);
        *heard = now;
        drop(heard);
        if silence >= state::KEPT {
            tracing::warn!(
                seconds = silence.as_secs(),
                "the revocation feed was lost for too long"
            );
            self.state(|state| state.doubt_before(said_ms));
            self.touch();
        }
        let known = self.state(|state| {
            state.sweep(now);
            state.len()
        });
        #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
        metrics::gauge!("yard_revocations_known").set(known as f64);
        metrics::gauge!("yard_revocations_heard_timestamp_ms").set(said_ms as f64);
    }
}
