use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The brake that all writers share: after a failure of the database nobody tries before a pause
/// that grows, so that a server that is coming up is not run down.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    shut_until: Option<Instant>,
}

impl Gate {
    /// Waits while the gate is shut; `false` when `stop` came, or `until` would pass.
    pub(super) async fn pass(&self, until: Instant, stop: &CancellationToken) -> bool {
        while let Some(opens) = self.shut_until() {
            if opens > until {
                return false;
            }
            tokio::select! {
                () = tokio::time::sleep_until(opens) => {}
                () = stop.cancelled() => return false,
            }
        }
        true
    }

    fn shut_until(&self) -> Option<Instant> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.shut_until.filter(|opens| *opens > Instant::now())
    }

    /// The database answered.
    pub(super) fn opened(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// The database did not answer. Failures of one moment count once.
    pub(super) fn failed(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.shut_until.is_some_and(|opens| opens > now) {
            return;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << state.failures.min(6)).min(LONGEST_PAUSE);
        state.failures = state.failures.saturating_add(1);
        state.shut_until = Some(now + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn gate_shuts_longer_with_every_failure_and_opens_with_a_success() {
        let (gate, stop) = (Gate::default(), CancellationToken::new());
        let far = Instant::now() + Duration::from_secs(3_600);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            gate.failed();
            gate.failed();
            let begun = Instant::now();
            assert!(gate.pass(far, &stop).await);
            pauses.push(begun.elapsed().as_millis());
        }
        let grown = pauses.is_sorted() && pauses.first() == Some(&200);
        assert!(grown && pauses.last() == Some(&5_000), "{pauses:?}");
        gate.opened();
        let begun = Instant::now();
        assert!(gate.pass(far, &stop).await);
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn gate_lets_go_of_those_who_cannot_wait() {
        let (gate, stop) = (Gate::default(), CancellationToken::new());
        gate.failed();
        assert!(!gate.pass(Instant::now(), &stop).await);
        stop.cancel();
        assert!(!gate.pass(Instant::now() + LONGEST_PAUSE, &stop).await);
    }
}
