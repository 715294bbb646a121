use std::time::Duration;

/// So many at once, then one more per interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Granted at once after a rest; at least 1.
    pub burst: u32,
    /// Until one more is granted; at least a microsecond.
    pub interval: Duration,
}

impl Limit {
    /// The interval in whole microseconds, the unit that is counted in.
    pub(crate) fn interval_us(&self) -> i64 {
        i64::try_from(self.interval.as_micros()).unwrap_or(i64::MAX / 4).max(1)
    }

    /// How long an unused limit takes to be whole again.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.interval.saturating_mul(self.burst)
    }
}

/// How one limit stands after a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How many more would be granted at once.
    pub remaining: u32,
    /// Until it is whole again.
    pub full_in: Duration,
}

/// A decision over several limits: admitted and counted in all, or counted in none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How long to wait; `None` if admitted.
    pub wait: Option<Duration>,
    /// One for each limit, in their order.
    pub standings: Vec<Standing>,
}

impl Verdict {
    /// From microseconds: the wait, then remaining and time to whole for each limit.
    pub(crate) fn of_numbers(numbers: &[i64]) -> Self {
        let us = |n: i64| Duration::from_micros(u64::try_from(n).unwrap_or(0));
        let (wait, rest) = numbers.split_first().map_or((0, numbers), |(wait, rest)| (*wait, rest));
        let standings = rest.chunks_exact(2).map(|pair| Standing {
            remaining: u32::try_from(pair.first().copied().unwrap_or(0)).unwrap_or(0),
            full_in: us(pair.get(1).copied().unwrap_or(0)),
        });
        Self { wait: (wait > 0).then(|| us(wait)), standings: standings.collect() }
    }
}

/// The state of a limit is the moment at which it will be whole again, in microseconds. What lies
/// further ahead than an empty limit can comes from a clock that was set back.
pub(crate) fn whole_at(stored: i64, now: i64, limit: &Limit) -> i64 {
    let furthest = now.saturating_add(limit.interval_us().saturating_mul(i64::from(limit.burst)));
    stored.clamp(now, furthest)
}

/// How long until one is granted; zero or less for at once.
pub(crate) fn wait(whole_at: i64, now: i64, limit: &Limit) -> i64 {
    whole_at - limit.interval_us() * (i64::from(limit.burst) - 1) - now
}

/// What is left and how long until all is.
pub(crate) fn standing(whole_at: i64, now: i64, limit: &Limit) -> [i64; 2] {
    let interval = limit.interval_us();
    [(now + interval * i64::from(limit.burst) - whole_at) / interval, whole_at - now]
}
