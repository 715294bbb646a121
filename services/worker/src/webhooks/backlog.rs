use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use time::{Duration, OffsetDateTime};

/// Calls of one app that may wait to be made again; one more is given up at once, so that a receiver
/// that is down does not take what others' calls need to wait.
const MOST: usize = 2_000;
/// A call that another worker has taken over is forgotten after so long.
const FORGOTTEN: Duration = Duration::minutes(10);

/// Calls that wait on this worker, by app and place in the stream.
#[derive(Default)]
pub(super) struct Backlog(Mutex<HashMap<String, HashMap<u64, OffsetDateTime>>>);

impl Backlog {
    /// The call waits; `false` if it is one too many.
    pub(super) fn add(&self, app: &str, sequence: u64, now: OffsetDateTime) -> bool {
        let mut apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = apps.entry(app.to_owned()).or_default();
        if waiting.len() >= MOST {
            waiting.retain(|_, since| now - *since < FORGOTTEN);
        }
        let fits = waiting.len() < MOST;
        if fits {
            waiting.insert(sequence, now);
        }
        fits
    }

    /// The call is in hand.
    pub(super) fn remove(&self, app: &str, sequence: u64) {
        let mut apps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(waiting) = apps.get_mut(app) else { return };
        waiting.remove(&sequence);
        if waiting.is_empty() {
            apps.remove(app);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_beyond_the_most_that_wait_is_refused_until_one_is_in_hand_or_forgotten() {
        let (backlog, now) = (Backlog::default(), OffsetDateTime::UNIX_EPOCH);
        for sequence in 0..MOST as u64 {
            assert!(backlog.add("1", sequence, now));
        }
        assert!(!backlog.add("1", 9_999, now) && backlog.add("2", 9_999, now));
        backlog.remove("1", 7);
        assert!(backlog.add("1", 9_999, now) && !backlog.add("1", 10_000, now));
        assert!(backlog.add("1", 10_000, now + FORGOTTEN));
    }
}
