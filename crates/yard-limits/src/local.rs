use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::hash::RandomState;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use yard_ids::Clock;

use crate::gcra::{self, Limit, Verdict};

const SHARDS: usize = 16;

/// Limits kept in this process, in bounded memory.
///
/// With more keys than it may hold, some that are still in use are forgotten: who hides behind a
/// great many addresses is then limited by Redis alone.
pub struct Local {
    shards: Vec<Mutex<HashMap<String, i64>>>,
    hasher: RandomState,
    most: usize,
    clock: Arc<dyn Clock>,
}

impl Local {
    /// For at most `most` keys.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, most: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, hasher: RandomState::new(), most: most.div_ceil(SHARDS).max(1), clock }
    }

    /// Counts one in every limit, or in none. `slot` is what the keys have in common.
    pub fn admit(&self, slot: &str, limits: &[(String, Limit)]) -> Verdict {
        let now = self.now();
        let mut shard = self.shard(slot);
        let mut whole: Vec<i64> = limits
            .iter()
            .map(|(key, limit)| gcra::whole_at(shard.get(key).copied().unwrap_or(0), now, limit))
            .collect();
        let waits = limits.iter().zip(&whole).map(|((_, l), at)| gcra::wait(*at, now, l));
        let wait = waits.max().unwrap_or(0).max(0);
        for ((key, limit), at) in limits.iter().zip(&mut whole) {
            if wait == 0 {
                *at += limit.interval_us();
                self.put(&mut shard, key, *at, now);
            } else if let Some(stored) = shard.get_mut(key) {
                // What was clamped has to stay so, or it would be clamped anew for ever.
                *stored = (*stored).min(*at);
            }
        }
        let standings =
            limits.iter().zip(&whole).flat_map(|((_, l), at)| gcra::standing(*at, now, l));
        Verdict::of_numbers(&std::iter::once(wait).chain(standings).collect::<Vec<_>>())
    }

    /// Takes over how the limits stand elsewhere, where that is further used up than here.
    pub(crate) fn learn(&self, slot: &str, limits: &[(String, Limit)], verdict: &Verdict) {
        let now = self.now();
        let mut shard = self.shard(slot);
        for ((key, _), standing) in limits.iter().zip(&verdict.standings) {
            let at = now.saturating_add(micros(standing.full_in));
            if shard.get(key).is_none_or(|here| *here < at) {
                self.put(&mut shard, key, at, now);
            }
        }
    }

    /// Makes the limit of a key whole again.
    pub fn forget(&self, slot: &str, key: &str) {
        self.shard(slot).remove(key);
    }

    /// How many keys it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|s| s.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn put(&self, shard: &mut HashMap<String, i64>, key: &str, at: i64, now: i64) {
        if let Some(known) = shard.get_mut(key) {
            *known = at;
            return;
        }
        if shard.len() >= self.most {
            // A limit that is whole again is the same as one that nobody knows.
            shard.retain(|_, at| *at > now);
        }
        if shard.len() >= self.most
            && let Some(any) = shard.keys().next().cloned()
        {
            shard.remove(&any);
            metrics::counter!("yard_limits_forgotten_total").increment(1);
        }
        shard.insert(key.to_owned(), at);
    }

    fn shard(&self, slot: &str) -> MutexGuard<'_, HashMap<String, i64>> {
        let place = self.hasher.hash_one(slot) % SHARDS as u64;
        let place = usize::try_from(place).unwrap_or(0);
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        let now = self.clock.now().unix_timestamp_nanos() / 1_000;
        i64::try_from(now).unwrap_or(0)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::OffsetDateTime;
    use yard_ids::ManualClock;

    use super::*;

    fn local(most: usize) -> (Local, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(OffsetDateTime::UNIX_EPOCH + time::Duration::DAY));
        (Local::new(clock.clone(), most), clock)
    }

    fn limit(key: &str, burst: u32, interval_ms: u64) -> (String, Limit) {
        (key.to_owned(), Limit { burst, interval: Duration::from_millis(interval_ms) })
    }

    #[test]
    fn burst_is_granted_at_once_and_then_one_per_interval() {
        let (local, clock) = local(10);
        let limits = [limit("a", 3, 100)];
        let left: Vec<_> =
            (0..3).map(|_| local.admit("a", &limits).standings[0].remaining).collect();
        assert_eq!(left, [2, 1, 0]);
        let refused = local.admit("a", &limits);
        assert_eq!(refused.wait, Some(Duration::from_millis(100)));
        assert_eq!(refused.standings[0].full_in, Duration::from_millis(300));
        clock.advance(time::Duration::microseconds(99_999));
        assert_eq!(local.admit("a", &limits).wait, Some(Duration::from_micros(1)));
        clock.advance(time::Duration::microseconds(1));
        assert_eq!(local.admit("a", &limits).wait, None);
        assert!(local.admit("a", &limits).wait.is_some());
    }

    #[test]
    fn refusal_by_one_limit_is_counted_in_none() {
        let (local, _clock) = local(1_000);
        let (narrow, wide) = (limit("narrow", 1, 1_000), limit("wide", 2, 1_000));
        assert!(local.admit("s", &[narrow.clone(), wide.clone()]).wait.is_none());
        assert!(local.admit("s", &[narrow, wide.clone()]).wait.is_some());
        let rest = local.admit("s", &[wide]);
        assert_eq!((rest.wait, rest.standings[0].remaining), (None, 0));
    }

    #[test]
    fn clock_that_is_set_back_keeps_nobody_out_for_longer_than_an_empty_limit() {
        let (local, clock) = local(10);
        let limits = [limit("a", 2, 100)];
        local.admit("a", &limits);
        clock.advance(-time::Duration::HOUR);
        assert_eq!(local.admit("a", &limits).wait, Some(Duration::from_millis(100)));
        clock.advance(time::Duration::milliseconds(100));
        assert_eq!(local.admit("a", &limits).wait, None);
    }

    #[test]
    fn memory_is_bounded_and_what_is_whole_goes_first() {
        let (local, clock) = local(SHARDS * 4);
        for n in 0..1_000 {
            let key = format!("k{n}");
            local.admit(&key, &[limit(&key, 5, 1_000)]);
            assert!(local.len() <= SHARDS * 4);
        }
        clock.advance(time::Duration::seconds(10));
        let busy = limit("busy", 2, 60_000);
        local.admit("busy", std::slice::from_ref(&busy));
        local.admit("busy", std::slice::from_ref(&busy));
        for n in 0..3 {
            let key = format!("new{n}");
            local.admit("busy", &[limit(&key, 5, 1_000)]);
        }
        assert!(local.admit("busy", &[busy]).wait.is_some());
    }

    proptest! {
        /// Never more than burst + elapsed / interval, and never fewer when asked often enough.
        #[test]
        fn grants_match_a_bucket_of_tokens(
            burst in 1_u32..20,
            interval in 1_u64..50,
            steps in prop::collection::vec(0_i64..40, 1..200),
        ) {
            let (local, clock) = local(10);
            let limits = [limit("a", burst, interval)];
            let (mut tokens, mut since, unit) = (u64::from(burst) * interval, 0_u64, interval);
            for step in steps {
                clock.advance(time::Duration::milliseconds(step));
                since += u64::try_from(step).unwrap();
                tokens = (tokens + since).min(u64::from(burst) * unit);
                since = 0;
                let granted = local.admit("a", &limits).wait.is_none();
                prop_assert_eq!(granted, tokens >= unit);
                if granted {
                    tokens -= unit;
                }
            }
        }
    }
}
