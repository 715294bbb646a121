use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::app::AppId;

/// Apps that somebody traces, each until its lease ends: also those of which nobody is here yet. Times
/// are milliseconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Leases {
    /// The last end of all; 0 while nobody has traced anything.
    last: AtomicU64,
    ends: Mutex<HashMap<AppId, u64>>,
}

impl Leases {
    pub(super) fn renew(&self, app: AppId, now: u64, end: u64) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.retain(|_app, end| *end > now);
        ends.insert(app, end);
        drop(ends);
        self.last.fetch_max(end, Ordering::Relaxed);
    }

    /// Whether somebody may want to be told. While nobody traces, this looks at one number.
    pub(super) fn hold(&self, app: AppId, now: impl FnOnce() -> u64) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        if last == 0 {
            return false;
        }
        let now = now();
        let ends = || self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        now < last && ends().get(&app).is_some_and(|end| now < *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_is_traced_until_its_own_lease_ends_and_nobody_asks_the_clock_before() {
        let (leases, one, two) = (Leases::default(), AppId::new(1), AppId::new(2));
        assert!(!leases.hold(one, || panic!("asked")));
        leases.renew(one, 0, 1_000);
        leases.renew(two, 0, 2_000);
        assert!(leases.hold(one, || 999) && !leases.hold(one, || 1_000));
        assert!(leases.hold(two, || 1_999) && !leases.hold(two, || 2_000));
        leases.renew(one, 3_000, 4_000);
        assert!(leases.hold(one, || 3_999) && !leases.hold(two, || 3_999));
        assert_eq!(leases.ends.lock().unwrap().len(), 1);
    }
}
