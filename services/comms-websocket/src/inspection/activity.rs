use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use yard_contracts::realtime::v1::RealtimeRefusal;

use super::pulse::Pulse;

/// Refusals of an app that an instance remembers.
pub(super) const REMEMBERED: usize = 200;
/// Traces of an app at the same time on one instance.
pub(super) const MOST_TRACES: u32 = 4;

/// What was counted of an app on this instance.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// Events that servers had said.
    pub(crate) published: Pulse,
    /// Events of clients that were passed on.
    pub(crate) client_events: Pulse,
    pub(super) refused: Pulse,
    /// Newest first.
    refusals: Mutex<VecDeque<RealtimeRefusal>>,
    traces: AtomicU32,
}

impl Activity {
    pub(super) fn remember(&self, refusal: RealtimeRefusal) {
        let mut refusals = self.refusals();
        refusals.truncate(REMEMBERED - 1);
        refusals.push_front(refusal);
    }

    pub(super) fn remembered(&self) -> Vec<RealtimeRefusal> {
        self.refusals().iter().cloned().collect()
    }

    /// One more trace; `false` when there are as many as may be.
    pub(super) fn begin_trace(&self) -> bool {
        let more = |traces| (traces < MOST_TRACES).then_some(traces + 1);
        self.traces.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    pub(super) fn end_trace(&self) {
        self.traces.fetch_sub(1, Ordering::Relaxed);
    }

    fn refusals(&self) -> MutexGuard<'_, VecDeque<RealtimeRefusal>> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_two_hundred_refusals_are_remembered() {
        let activity = Activity::default();
        for code in 0..=200 {
            activity.remember(RealtimeRefusal { code, ..RealtimeRefusal::default() });
        }
        let remembered = activity.remembered();
        assert_eq!((remembered.len(), remembered[0].code, remembered[199].code), (200, 200, 1));
    }

    #[test]
    fn fifth_trace_waits_until_one_ends() {
        let activity = Activity::default();
        assert!((0..MOST_TRACES).all(|_| activity.begin_trace()));
        assert!(!activity.begin_trace());
        activity.end_trace();
        assert!(activity.begin_trace());
    }
}
