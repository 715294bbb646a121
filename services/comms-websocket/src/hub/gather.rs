use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

/// With fewer listeners a socket's wakeup is cheap beside the time it saves.
const MANY: usize = 64;
/// Time between two rounds, for each listener and divided by the processors: two to three times what
/// waking it takes. The next round would only queue up behind the last, and behind both the calls
/// that bring events, the joins and the openings.
const EACH: Duration = Duration::from_micros(20);
/// However many they are.
const LONGEST: Duration = Duration::from_millis(100);
/// Events of one round, and their bytes: half of the least that may wait for one socket, which has to
/// get its turn between two.
const MOST: usize = 32;
const MOST_BYTES: usize = 32 * 1_024;

/// When a channel may give out events again. Most of what an event costs is waking each socket and
/// telling the kernel of it: events that follow each other closely go out together.
#[derive(Debug)]
pub(super) struct Gather {
    workers: usize,
    last: Option<Instant>,
    /// Of this round.
    events: usize,
    bytes: usize,
}

impl Gather {
    /// For the executor that it is called on.
    pub(super) fn new() -> Self {
        let workers = Handle::current().metrics().num_workers();
        Self { workers, last: None, events: 0, bytes: 0 }
    }

    /// Returns when the next round may begin, at once when the last one was long enough ago.
    pub(super) async fn begin(&mut self, listeners: usize) {
        let now = Instant::now();
        let due = self.last.map_or(now, |last| last + round(listeners, self.workers));
        let full = self.is_full();
        (self.events, self.bytes) = (0, 0);
        if listeners >= MANY && due > now {
            sleep_until(due).await;
            self.last = Some(Instant::now());
            return;
        }
        if full {
            yield_now().await;
        }
        self.last = Some(now);
    }

    /// Counts an event of the round.
    pub(super) fn count(&mut self, bytes: usize) {
        self.events += 1;
        self.bytes += bytes;
    }

    pub(super) fn is_full(&self) -> bool {
        self.events >= MOST || self.bytes >= MOST_BYTES
    }
}

fn round(listeners: usize, workers: usize) -> Duration {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    (EACH.saturating_mul(count(listeners)) / count(workers).max(1)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rounds_of_many_listeners_keep_their_distance_and_others_wait_for_nothing() {
        let (mut gather, begun) = (Gather::new(), Instant::now());
        gather.begin(1_000).await;
        assert_eq!(begun.elapsed(), Duration::ZERO, "a single event is given out at once");
        gather.begin(1_000).await;
        gather.begin(1_000).await;
        assert_eq!(begun.elapsed(), EACH * 2_000);
        gather.begin(MANY - 1).await;
        assert_eq!(begun.elapsed(), EACH * 2_000, "few listeners do not wait");
        tokio::time::advance(EACH * 1_000).await;
        gather.begin(1_000).await;
        assert_eq!(begun.elapsed(), EACH * 3_000);
        gather.begin(1_000_000).await;
        assert_eq!(begun.elapsed(), EACH * 3_000 + LONGEST);
    }

    #[tokio::test]
    async fn round_is_full_by_its_events_or_their_bytes() {
        let mut gather = Gather::new();
        for (bytes, events) in [(1, MOST), (MOST_BYTES, 1), (MOST_BYTES / 2, 2)] {
            gather.begin(1).await;
            for _ in 0..events {
                assert!(!gather.is_full());
                gather.count(bytes);
            }
            assert!(gather.is_full(), "{bytes}");
        }
    }
}
