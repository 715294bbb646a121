//! When a device takes its next reading.

use std::time::Duration;

use crate::replay::Recording;

/// How fast a recording is replayed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    /// The recorded steps, so many times faster.
    Recorded(f64),
    /// One reading in each interval.
    Every(Duration),
    /// As fast as the broker acknowledges.
    Flood,
}

impl Pace {
    /// `rate` is readings per second of all `devices` together. Without either option each device
    /// takes one reading a second.
    pub(super) fn of(flood: bool, speed: Option<f64>, rate: Option<f64>, devices: usize) -> Self {
        match (flood, speed, rate) {
            (true, ..) => Self::Flood,
            (false, Some(speed), _) => Self::Recorded(speed),
            (false, None, rate) => {
                let each = rate.map_or(1.0, |rate| rate / devices as f64);
                Self::Every(Duration::from_secs_f64(1.0 / each))
            }
        }
    }

    /// The wait after the reading of row `index`; a device's own interval goes before the plan.
    pub(super) fn wait(
        self,
        own: Option<Duration>,
        recording: &Recording,
        index: usize,
    ) -> Duration {
        match (own, self) {
            (Some(own), _) => own,
            (None, Self::Recorded(speed)) => recording.step_after(index).div_f64(speed),
            (None, Self::Every(interval)) => interval,
            (None, Self::Flood) => Duration::ZERO,
        }
    }

    /// The first wait of device `number` of `count`, so that they do not all speak at once.
    pub(super) fn phase(self, recording: &Recording, number: usize, count: usize) -> Duration {
        let share = number as f64 / count.max(1) as f64;
        self.wait(None, recording, 0).min(Duration::from_secs(60)).mul_f64(share)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn water() -> Recording {
        let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../data/water-flow.csv");
        Recording::read(&data).unwrap()
    }

    #[test]
    fn pace_divides_the_rate_and_speeds_up_the_recording() {
        let water = water();
        let every = |secs| Pace::Every(Duration::from_secs_f64(secs));
        assert_eq!(Pace::of(false, None, Some(200.0), 200), every(1.0));
        assert_eq!(Pace::of(false, None, Some(50.0), 200), every(4.0));
        assert_eq!(Pace::of(false, None, None, 7), every(1.0));
        let hourly = Pace::of(false, Some(3_600.0), None, 7);
        assert_eq!(hourly.wait(None, &water, 3), Duration::from_secs(1));
        assert_eq!(Pace::of(true, None, None, 7).wait(None, &water, 0), Duration::ZERO);
        let own = Some(Duration::from_secs(9));
        assert_eq!(hourly.wait(own, &water, 3), Duration::from_secs(9));
    }

    #[test]
    fn pace_spreads_the_first_readings_over_one_interval() {
        let pace = Pace::of(false, None, Some(4.0), 4);
        let first: Vec<_> = (0..4).map(|n| pace.phase(&water(), n, 4).as_millis()).collect();
        assert_eq!(first, [0, 250, 500, 750]);
    }
}
