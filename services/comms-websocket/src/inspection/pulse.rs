use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use yard_ids::Clock;

/// What is counted together, seconds.
pub(super) const INTERVAL_SECONDS: u64 = 5;
/// Whole intervals that are shown: a minute.
pub(super) const SHOWN: usize = 12;
/// And the one that is not over yet.
const SLOTS: usize = SHOWN + 1;

/// Intervals over which a rate is taken.
const RATED: usize = 2;

/// Numbers intervals alike on every instance, from the clock at the start: an interval is counted
/// without asking the clock again where the time is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    began: Instant,
    began_ms: u64,
}

impl Pace {
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        let millis = clock.now().unix_timestamp_nanos() / 1_000_000;
        Self { began: Instant::now(), began_ms: u64::try_from(millis).unwrap_or(0) }
    }

    /// The interval of a moment, counted from 1970.
    pub(crate) fn interval(&self, at: Instant) -> u64 {
        self.millis(at) / (INTERVAL_SECONDS * 1_000)
    }

    /// Of a moment, since 1970.
    pub(super) fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.began).as_millis();
        self.began_ms + u64::try_from(since).unwrap_or(u64::MAX / 2)
    }
}

/// How often something happened in each of the last intervals. Counting takes one atomic step and
/// no lock.
#[derive(Debug, Default)]
pub(crate) struct Pulse([AtomicU64; SLOTS]);

impl Pulse {
    /// Counts so many in an interval.
    pub(crate) fn add(&self, interval: u64, count: u32) {
        let Some(slot) = self.slot(interval) else { return };
        let (mine, count) = (mark(interval), u64::from(count));
        let update = |seen: u64| match (seen >> 32).cmp(&(mine >> 32)) {
            std::cmp::Ordering::Equal => Some(seen + count),
            std::cmp::Ordering::Less => Some(mine | count),
            // Who counts was held up for a minute.
            std::cmp::Ordering::Greater => None,
        };
        if slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update).is_err() {
            tracing::debug!("a count came a minute late and is left out");
        }
    }

    /// The [`SHOWN`] intervals before this one, oldest first.
    pub(crate) fn before(&self, interval: u64) -> Vec<u32> {
        let first = interval.saturating_sub(SHOWN as u64);
        (first..interval).map(|interval| self.of(interval)).collect()
    }

    fn of(&self, interval: u64) -> u32 {
        let seen = self.slot(interval).map_or(0, |slot| slot.load(Ordering::Relaxed));
        let counts = seen >> 32 == mark(interval) >> 32;
        if counts { u32::try_from(seen & u64::from(u32::MAX)).unwrap_or(0) } else { 0 }
    }

    fn slot(&self, interval: u64) -> Option<&AtomicU64> {
        self.0.get(usize::try_from(interval % SLOTS as u64).ok()?)
    }
}

/// An interval beside its count, in the upper half: good until the year 22,000.
const fn mark(interval: u64) -> u64 {
    interval << 32
}

/// A second, over the last ten seconds of what [`Pulse::before`] or a sum of such tells.
pub(super) fn rate(counts: &[i32]) -> f64 {
    let last = counts.iter().rev().take(RATED).map(|count| f64::from(*count)).sum::<f64>();
    last / (RATED as u64 * INTERVAL_SECONDS) as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use yard_ids::SystemClock;

    use super::*;

    #[test]
    fn minute_is_shown_without_the_interval_that_is_not_over() {
        let pulse = Pulse::default();
        for (interval, count) in [(100, 1), (105, 2), (105, 3), (112, 7)] {
            pulse.add(interval, count);
        }
        assert_eq!(pulse.before(112), [1, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0]);
        assert_eq!(pulse.before(113), [0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(pulse.before(124), [7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(pulse.before(125), [0; SHOWN]);
    }

    #[test]
    fn slot_is_taken_over_by_a_later_interval_and_never_given_back() {
        let pulse = Pulse::default();
        pulse.add(100, 9);
        pulse.add(100 + SLOTS as u64, 1);
        pulse.add(100, 5);
        assert_eq!(pulse.before(101 + SLOTS as u64).last(), Some(&1));
        assert_eq!(pulse.before(101), [0; SHOWN]);
    }

    #[test]
    fn counts_of_many_at_once_are_all_there() {
        let pulse = Pulse::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| pulse.add(7, 1)));
            }
        });
        assert_eq!(pulse.before(8).last(), Some(&4_000));
    }

    #[test]
    fn rate_is_of_the_last_ten_seconds() {
        assert!((rate(&[100, 20, 30]) - 5.0).abs() < f64::EPSILON);
        assert!(rate(&[]).abs() < f64::EPSILON);
    }

    #[test]
    fn interval_is_five_seconds_of_the_clock() {
        let pace = Pace::new(&SystemClock);
        let later = pace.began + Duration::from_secs(10);
        assert_eq!(pace.interval(later), pace.interval(pace.began) + 2);
    }
}
