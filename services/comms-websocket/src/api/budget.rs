use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::problem::Problem;
use crate::app::AppId;
use crate::budget::Budget;

const SECOND: Duration = Duration::from_secs(1);
/// With more apps than this those that rest are forgotten.
const MANY: usize = 1_024;

/// How much each app may ask for: so many events and calls a second, which may come at once, and so
/// many calls at the same time.
pub(super) struct Budgets {
    per_second: u32,
    at_once: usize,
    apps: Mutex<HashMap<AppId, Spent>>,
}

struct Spent {
    budget: Budget,
    /// Calls at this moment.
    calls: usize,
}

/// A call of an app, for as long as it lasts.
pub(super) struct Turn {
    budgets: Arc<Budgets>,
    app: AppId,
}

impl Budgets {
    pub(super) fn new(per_second: u32, at_once: usize) -> Self {
        Self { per_second: per_second.max(1), at_once, apps: Mutex::default() }
    }

    /// Begins a call, which costs as one event does.
    pub(super) fn begin(self: &Arc<Self>, app: AppId) -> Result<Turn, Problem> {
        let now = Instant::now();
        let mut apps = self.apps();
        if apps.len() >= MANY {
            apps.retain(|_, spent| spent.calls > 0 || !spent.budget.is_whole(now));
        }
        let spent = apps.entry(app).or_insert_with(|| Spent { budget: Budget::new(now), calls: 0 });
        if spent.calls >= self.at_once {
            let problem = "the app makes as many calls at the same time as it may";
            return Err(Problem::too_many(problem, SECOND));
        }
        spent.take(self.per_second, 1, now)?;
        spent.calls += 1;
        drop(apps);
        Ok(Turn { budgets: Arc::clone(self), app })
    }

    fn apps(&self) -> MutexGuard<'_, HashMap<AppId, Spent>> {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Pays for the events of a call; the first is paid for.
    pub(super) fn pay(&self, events: usize) -> Result<(), Problem> {
        let more = u32::try_from(events.saturating_sub(1)).unwrap_or(u32::MAX);
        let mut apps = self.budgets.apps();
        match apps.get_mut(&self.app) {
            Some(spent) => spent.take(self.budgets.per_second, more, Instant::now()),
            None => Ok(()),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(spent) = self.budgets.apps().get_mut(&self.app) {
            spent.calls = spent.calls.saturating_sub(1);
        }
    }
}

impl Spent {
    /// All or nothing.
    fn take(&mut self, per_second: u32, count: u32, now: Instant) -> Result<(), Problem> {
        self.budget.take(per_second, count, now).map_err(|wait| {
            Problem::too_many("the app publishes and asks more a second than it may", wait)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_that_asks_too_much_is_told_when_to_come_again() {
        let now = Instant::now();
        let mut spent = Spent { budget: Budget::new(now), calls: 0 };
        assert!(spent.take(10, 9, now).is_ok());
        let refused = spent.take(10, 2, now).unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.retry_after), (429, Some(SECOND / 10)));
    }

    #[tokio::test(start_paused = true)]
    async fn app_at_its_limit_waits_and_others_do_not() {
        let budgets = Arc::new(Budgets::new(100, 2));
        let (one, two) = (AppId::new(1), AppId::new(2));
        let turns = [budgets.begin(one), budgets.begin(one)];
        assert!(budgets.begin(one).is_err());
        assert!(budgets.begin(two).is_ok());
        drop(turns);
        let turn = budgets.begin(one).ok().unwrap();
        assert!(turn.pay(98).is_ok(), "the first event is paid for by the call");
        assert!(turn.pay(2).is_err());
        tokio::time::advance(SECOND).await;
        assert!(turn.pay(101).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn apps_that_rest_are_forgotten_when_there_are_many() {
        let budgets = Arc::new(Budgets::new(10, 2));
        let busy = budgets.begin(AppId::new(0)).ok();
        for number in 1..MANY as u64 {
            drop(budgets.begin(AppId::new(number)));
        }
        assert_eq!(budgets.apps().len(), MANY);
        tokio::time::advance(SECOND).await;
        drop(budgets.begin(AppId::new(9_999)));
        assert_eq!(budgets.apps().len(), 2, "the busy one and the new one");
        drop(busy);
    }
}
