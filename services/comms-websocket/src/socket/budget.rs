use std::time::Duration;

use tokio::time::Instant;

/// How much a socket may say: so many events a second, which may come at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// When everything that was said is paid for.
    paid: Instant,
}

impl Budget {
    pub(super) const fn new(now: Instant) -> Self {
        Self { paid: now }
    }

    /// Takes one event out of `per_second`; `false` when there is none left.
    pub(super) fn take(&mut self, per_second: u32, now: Instant) -> bool {
        let each = Duration::from_secs(1) / per_second.max(1);
        let paid = self.paid.max(now) + each;
        let within = per_second > 0 && paid <= now + Duration::from_secs(1);
        if within {
            self.paid = paid;
        }
        within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_gives_a_second_at_once_and_then_one_for_each_part_of_it() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let taken = (0..12).filter(|_| budget.take(10, start)).count();
        assert_eq!(taken, 10);
        let later = start + Duration::from_millis(100);
        assert!(budget.take(10, later));
        assert!(!budget.take(10, later));
        assert!(!Budget::new(start).take(0, start));
    }
}
