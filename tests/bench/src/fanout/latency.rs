//! How long things took.

use std::time::Duration;

/// Width of a class, nanoseconds.
const CLASS: u64 = 10_000;
/// What takes longer counts as this long: 5 s.
const CLASSES: usize = 500_000;

/// Counts by classes of 10 µs, so that noting one costs no memory of its own.
#[derive(Debug)]
pub(super) struct Latencies {
    classes: Vec<u32>,
    count: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { classes: vec![0; CLASSES], count: 0 }
    }
}

impl Latencies {
    pub(super) fn note(&mut self, nanoseconds: u64) {
        let class = usize::try_from(nanoseconds / CLASS).unwrap_or(usize::MAX).min(CLASSES - 1);
        if let Some(count) = self.classes.get_mut(class) {
            *count += 1;
        }
        self.count += 1;
    }

    pub(super) fn forget(&mut self) {
        self.classes.fill(0);
        self.count = 0;
    }

    /// Milliseconds within which this share (0 to 1) was done; 0 where nothing was noted.
    pub(super) fn within(&self, share: f64) -> f64 {
        let wanted = (self.count as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (class, count) in self.classes.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= wanted {
                return (class + 1) as f64 * CLASS as f64 / 1e6;
            }
        }
        0.0
    }
}

/// The same of a list that is short.
pub(super) fn within(took: &mut [Duration], share: f64) -> f64 {
    took.sort_unstable();
    let place = ((took.len() as f64 * share).ceil() as usize).max(1) - 1;
    took.get(place).map_or(0.0, |took| super::rounded(took.as_secs_f64() * 1e3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_from_the_classes() {
        let mut latencies = Latencies::default();
        for millisecond in 1..=100_u64 {
            latencies.note(millisecond * 1_000_000 - 1);
        }
        assert!((latencies.within(0.5) - 50.0).abs() < 0.02);
        assert!((latencies.within(0.99) - 99.0).abs() < 0.02);
        latencies.note(u64::MAX);
        assert!((latencies.within(1.0) - 5_000.0).abs() < 0.02);
        latencies.forget();
        assert!(latencies.within(0.5).abs() < f64::EPSILON);
    }
}
