//! Who leads. The database says so, and this process believes it only as long as a renewal that it
//! sent can still be valid, measured on its own monotonic clock from before the sending.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use yard_pg::{Lease, LeaseHold, Pg, PgError};

use crate::LeaderConfig;

/// The lease's name in `platform.leases`.
pub(crate) const LEASE: &str = "scheduler";
/// The leader stops that long before its lease ends, so that it never acts beside the next.
const MARGIN: Duration = Duration::from_secs(2);
/// How often a follower asks, and a leader whose renewal failed tries again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// This instance's part in leading.
#[derive(Debug)]
pub(crate) struct Leadership {
    lease: Lease,
    config: LeaderConfig,
    term: Mutex<Option<Term>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Term {
    epoch: i64,
    until: Instant,
}

impl Leadership {
    pub(crate) fn new(pg: &Pg, holder: &str, config: LeaderConfig) -> Self {
        let lease = Lease::new(pg.clone(), LEASE, holder, config.ttl);
        Self { lease, config, term: Mutex::default() }
    }

    /// The epoch this instance leads in, if it does.
    pub(crate) fn epoch(&self) -> Option<i64> {
        self.term().filter(|term| Instant::now() < term.until).map(|term| term.epoch)
    }

    /// For the check inside an effect's transaction.
    pub(crate) const fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Takes part until `stop`, then gives the lease back.
    ///
    /// # Errors
    /// Never; the return type fits a task.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) -> anyhow::Result<()> {
        while !stop.is_cancelled() {
            let pause = tokio::select! {
                pause = self.take_part() => pause,
                () = stop.cancelled() => break,
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
        if self.step_down("stopping") {
            // Without this the next leader only waits for the lease's end.
            if let Err(error) = self.lease.release().await {
                tracing::warn!(error = %error, "lease was not given back");
            }
        }
        Ok(())
    }

    /// Asks once; answers how long to wait before asking again.
    async fn take_part(&self) -> Duration {
        let sent = Instant::now();
        let until = sent + self.config.ttl.saturating_sub(MARGIN);
        // A leader may wait for its renewal no longer than it leads.
        let patience = self.term().map_or(until, |term| term.until);
        match tokio::time::timeout_at(patience, self.lease.acquire_or_renew()).await {
            Ok(Ok(Some(hold))) => {
                self.hold(hold, until);
                self.config.renew
            }
            Ok(Ok(None)) => {
                self.step_down("another holds the lease");
                ASK_AGAIN.min(self.config.renew)
            }
            Ok(Err(error)) => self.unconfirmed(Some(&error)),
            Err(_elapsed) => self.unconfirmed(None),
        }
    }

    fn hold(&self, hold: LeaseHold, until: Instant) {
        let before = self.replace(Some(Term { epoch: hold.epoch, until }));
        if before.map(|term| term.epoch) != Some(hold.epoch) {
            tracing::info!(epoch = hold.epoch, "leading");
        }
        metrics::gauge!("yard_leader").set(1.0);
        #[expect(clippy::cast_precision_loss, reason = "epochs stay below 2^53")]
        metrics::gauge!("yard_leader_epoch").set(hold.epoch as f64);
    }

    /// Not heard is not refused: a leader goes on until its time is over, and not a moment longer.
    fn unconfirmed(&self, error: Option<&PgError>) -> Duration {
        let left = self.term().map(|term| term.until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            self.step_down("the lease was not confirmed in time");
        }
        let problem = error.map_or_else(|| "no answer in time".to_owned(), ToString::to_string);
        tracing::warn!(problem, "lease not confirmed");
        ASK_AGAIN.min(self.config.renew).min(left.filter(|l| !l.is_zero()).unwrap_or(ASK_AGAIN))
    }

    /// Whether it led until now.
    fn step_down(&self, why: &'static str) -> bool {
        let before = self.replace(None);
        metrics::gauge!("yard_leader").set(0.0);
        if let Some(term) = before {
            tracing::info!(epoch = term.epoch, why, "no longer leading");
        }
        before.is_some()
    }

    fn term(&self) -> Option<Term> {
        *self.term.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, term: Option<Term>) -> Option<Term> {
        std::mem::replace(&mut *self.term.lock().unwrap_or_else(PoisonError::into_inner), term)
    }
}
