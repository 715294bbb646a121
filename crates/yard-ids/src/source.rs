use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

/// Where new identifiers come from.
pub trait IdSource: Send + Sync + 'static {
    /// A new UUIDv7: sorts by the time it was made.
    fn uuid7(&self) -> Uuid;
}

/// The system's randomness.
#[derive(Debug, Default, Clone, Copy)]
pub struct RandomIds;

impl IdSource for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "this is where chance comes in")]
    fn uuid7(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// Counts up from a seed: the same ids in every run of a test.
#[derive(Debug)]
pub struct SeededIds {
    seed: u64,
    next: AtomicU64,
}

impl SeededIds {
    /// Two sources of one seed give the same ids.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, next: AtomicU64::new(1) }
    }
}

impl IdSource for SeededIds {
    fn uuid7(&self) -> Uuid {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let mut random = [0; 10];
        let bytes = self.seed.to_be_bytes();
        random[..8].copy_from_slice(&bytes);
        uuid::Builder::from_unix_timestamp_millis(count, &random).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_ids_of_one_seed_repeat_and_differ_within_a_run() {
        let (a, b) = (SeededIds::new(7), SeededIds::new(7));
        let first = a.uuid7();
        assert_eq!(first, b.uuid7());
        assert_ne!(first, a.uuid7());
        assert_eq!(first.get_version_num(), 7);
    }
}
