//! What the auth bench measures. All six services run in this process, on real servers.

pub mod logins;
pub mod revocation;
pub mod tokens;

use std::time::Duration;

use serde_json::{Value, json};

/// Percentiles of durations, in milliseconds.
fn spread(mut times: Vec<Duration>) -> Value {
    times.sort_unstable();
    let at = |share: usize| {
        let place = (times.len() * share).div_ceil(100).clamp(1, times.len().max(1)) - 1;
        times.get(place).map_or(0.0, |time| (time.as_secs_f64() * 10_000.0).round() / 10.0)
    };
    json!({"tries": times.len(), "p50_ms": at(50), "p99_ms": at(99), "max_ms": at(100)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_takes_the_nearest_rank() {
        let found = spread((1..=50).map(Duration::from_millis).collect());
        assert_eq!(found, json!({"tries": 50, "p50_ms": 25.0, "p99_ms": 50.0, "max_ms": 50.0}));
        assert_eq!(spread(Vec::new())["tries"], 0);
    }
}
