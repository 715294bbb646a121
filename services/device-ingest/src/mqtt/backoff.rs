use std::sync::Arc;
use std::time::Duration;

use yard_ids::IdSource;

const FIRST_MS: u64 = 50;
const LONGEST_MS: u64 = 5_000;

/// Pauses that double up to five seconds, each shortened by chance up to the half, so that many
/// instances do not come back in step.
pub(super) struct Backoff {
    ids: Arc<dyn IdSource>,
    next_ms: u64,
}

impl Backoff {
    pub(super) fn new(ids: Arc<dyn IdSource>) -> Self {
        Self { ids, next_ms: FIRST_MS }
    }

    pub(super) fn reset(&mut self) {
        self.next_ms = FIRST_MS;
    }

    pub(super) fn pause(&mut self) -> Duration {
        let full = self.next_ms;
        self.next_ms = (full * 2).min(LONGEST_MS);
        // The low half of a UUIDv7 is random.
        let (_, chance) = self.ids.uuid7().as_u64_pair();
        Duration::from_millis(full - chance % (full / 2 + 1))
    }
}

#[cfg(test)]
mod tests {
    use yard_ids::RandomIds;

    use super::*;

    #[test]
    fn pauses_grow_within_their_bounds_and_begin_again() {
        let mut backoff = Backoff::new(Arc::new(RandomIds));
        let mut full = FIRST_MS;
        for _ in 0..20 {
            let pause = u64::try_from(backoff.pause().as_millis()).unwrap();
            assert!((full / 2..=full).contains(&pause), "{pause} of {full}");
            full = (full * 2).min(LONGEST_MS);
        }
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_millis(FIRST_MS));
    }
}
