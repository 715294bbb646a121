use std::time::Duration;

use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// How much may be said: so much a second, which may come at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// When everything that was taken is paid for.
    paid: Instant,
}

impl Budget {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { paid: now }
    }

    /// Takes so many out of `per_second`, all or none.
    ///
    /// # Errors
    /// Says after how long there will be enough.
    pub(crate) fn take(
        &mut self,
        per_second: u32,
        count: u32,
        now: Instant,
    ) -> Result<(), Duration> {
        let each = SECOND / per_second.max(1);
        let paid = self.paid.max(now) + each * count;
        let wait = paid.saturating_duration_since(now + SECOND);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.paid = paid;
        Ok(())
    }

    /// Whether everything is paid for.
    pub(crate) fn is_whole(&self, now: Instant) -> bool {
        self.paid <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_may_be_spent_at_once_and_then_one_for_each_part_of_it() {
        let now = Instant::now();
        let mut budget = Budget::new(now);
        assert!(budget.take(10, 9, now).is_ok());
        assert_eq!(budget.take(10, 2, now), Err(SECOND / 10));
        assert!(budget.take(10, 1, now).is_ok(), "a refusal costs nothing");
        assert!(budget.take(10, 1, now + SECOND / 20).is_err());
        assert!(budget.take(10, 1, now + SECOND / 10).is_ok());
        assert!(!budget.is_whole(now + SECOND) && budget.is_whole(now + SECOND + SECOND / 10));
    }
}
