use std::time::Duration;

use serde::{Deserialize, Serialize};
use yard_runtime::ConfigError;

/// Messages that have to arrive.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmedConfig {
    /// Pause before what was not acknowledged is sent again on the same socket.
    #[serde(with = "humantime_serde")]
    pub resend_first: Duration,
    /// It doubles each time, up to this.
    #[serde(with = "humantime_serde")]
    pub resend_most: Duration,
    /// How often the database is asked for what no notice told of, and for what has expired.
    #[serde(with = "humantime_serde")]
    pub look: Duration,
    /// Messages to one recipient in one channel that wait for their acknowledgement.
    pub in_flight: u16,
    /// How long a message is kept after its time has passed.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
}

impl ConfirmedConfig {
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        for (option, value, least, most) in [
            ("confirmed.resend_first", self.resend_first, 100, 3_600_000),
            ("confirmed.resend_most", self.resend_most, 100, 86_400_000),
            ("confirmed.look", self.look, 100, 60_000),
            ("confirmed.keep", self.keep, 1_000, 366 * 86_400_000),
        ] {
            if !(least..=most).contains(&value.as_millis()) {
                let rule = format!("has to be {least} ms to {most} ms");
                return Err(ConfigError::new(option, rule));
            }
        }
        if self.resend_most < self.resend_first {
            let rule = "has to be confirmed.resend_first or more";
            return Err(ConfigError::new("confirmed.resend_most", rule));
        }
        if !(1..=1_000).contains(&self.in_flight) {
            return Err(ConfigError::new("confirmed.in_flight", "has to be 1 to 1000"));
        }
        Ok(())
    }

    /// The pause behind the `tries`-th sending, the first being 1.
    pub(super) fn pause(&self, tries: u32) -> Duration {
        let factor = 1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
        self.resend_first.saturating_mul(factor).min(self.resend_most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> ConfirmedConfig {
        ConfirmedConfig {
            resend_first: Duration::from_secs(15),
            resend_most: Duration::from_secs(300),
            look: Duration::from_secs(3),
            in_flight: 64,
            keep: Duration::from_secs(30 * 86_400),
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses: Vec<u64> = (1..=7).map(|tries| usual().pause(tries).as_secs()).collect();
        assert_eq!(pauses, [15, 30, 60, 120, 240, 300, 300]);
        assert_eq!(usual().pause(u32::MAX).as_secs(), 300);
    }

    #[test]
    fn options_are_held_to_their_edges() {
        assert!(usual().validate().is_ok());
        let millis = Duration::from_millis;
        for wrong in [
            ConfirmedConfig { resend_first: millis(99), ..usual() },
            ConfirmedConfig { resend_most: millis(14_999), ..usual() },
            ConfirmedConfig { look: millis(60_001), ..usual() },
            ConfirmedConfig { in_flight: 0, ..usual() },
            ConfirmedConfig { in_flight: 1_001, ..usual() },
            ConfirmedConfig { keep: millis(999), ..usual() },
        ] {
            assert!(wrong.validate().is_err(), "{wrong:?}");
        }
        assert!(ConfirmedConfig { in_flight: 1_000, ..usual() }.validate().is_ok());
    }
}
