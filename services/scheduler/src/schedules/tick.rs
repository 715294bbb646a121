//! The leader's second hand. All decisions are made on the database's time, read in the
//! transaction that acts on them.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use yard_pg::{Actor, Pg, PgError, PlatformTx};

use super::builtin;
use super::metrics;
use super::plan::{Decision, Plan};
use super::store::{self, ScheduleRow};
use crate::leadership::Leadership;

const TICK: Duration = Duration::from_secs(1);

/// Fires what is due while this instance leads.
pub(crate) struct Ticker {
    pg: Pg,
    leadership: Arc<Leadership>,
    /// Notified after a commit that wrote to the outbox.
    written: Arc<Notify>,
    /// The epoch in which the built-in schedules were written.
    seeded: Option<i64>,
}

impl Ticker {
    pub(crate) const fn new(pg: Pg, leadership: Arc<Leadership>, written: Arc<Notify>) -> Self {
        Self { pg, leadership, written, seeded: None }
    }

    /// Runs until `stop`.
    ///
    /// # Errors
    /// Never; the return type fits a task.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut second = tokio::time::interval(TICK);
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = second.tick() => {}
            }
            let Some(epoch) = self.leadership.epoch() else {
                continue;
            };
            if let Err(error) = self.tick(epoch).await {
                tracing::warn!(error = %error, "schedules could not be looked at");
            }
        }
    }

    async fn tick(&mut self, epoch: i64) -> Result<(), PgError> {
        if self.seeded != Some(epoch) {
            self.seed(epoch).await?;
        }
        let mut tx = self.begin().await?;
        let schedules = store::all(&mut tx).await?;
        tx.commit().await?;
        for schedule in schedules.into_iter().filter(|schedule| !schedule.paused) {
            let plan = match Plan::parse(&schedule.cron, &schedule.time_zone) {
                Ok(plan) => plan,
                Err(error) => {
                    tracing::warn!(schedule = schedule.name, error = %error, "no plan to follow");
                    continue;
                }
            };
            if needs_attention(&schedule, &plan) {
                self.attend(epoch, &schedule.name, &plan).await?;
            }
        }
        Ok(())
    }

    async fn seed(&mut self, epoch: i64) -> Result<(), PgError> {
        let mut tx = self.begin().await?;
        if !self.leadership.lease().holds(&mut tx, epoch).await? {
            return Ok(());
        }
        for schedule in &builtin::ALL {
            store::seed(&mut tx, schedule).await?;
        }
        tx.commit().await?;
        self.seeded = Some(epoch);
        Ok(())
    }

    /// Fires or skips one schedule and says when it is due next: all of it under the lease, or
    /// nothing.
    async fn attend(&self, epoch: i64, name: &str, plan: &Plan) -> Result<(), PgError> {
        let mut tx = self.begin().await?;
        if !self.leadership.lease().holds(&mut tx, epoch).await? {
            return Ok(());
        }
        let Some(schedule) = store::lock(&mut tx, name).await? else {
            return Ok(());
        };
        let due = schedule.next_fire_at.filter(|due| *due <= schedule.now);
        let fired = match due.map(|due| decide(&schedule, plan, due)) {
            Some(Decision::Fire { planned_at, cause }) => {
                let fire = store::fire(&mut tx, &schedule, planned_at, epoch, cause).await?;
                fire.map(|fire| (fire, cause))
            }
            Some(Decision::Skip { planned_at }) => {
                tracing::warn!(schedule = name, planned_at = %planned_at, "missed by too much");
                metrics::skipped(name);
                None
            }
            None => None,
        };
        store::advance(&mut tx, name, plan.next_after(schedule.now)).await?;
        tx.commit().await?;
        if let Some((fire, cause)) = fired {
            self.written.notify_one();
            metrics::fired(name, cause, fire.fired_at - fire.planned_at);
            tracing::info!(schedule = name, fire = %fire.id, cause = cause.as_str(), "fired");
        }
        Ok(())
    }

    async fn begin(&self) -> Result<PlatformTx, PgError> {
        PlatformTx::begin(&self.pg, &Actor::service("scheduler")).await
    }
}

/// Due; or its next time is not known; or it lies further ahead than the plan says, as it does
/// after a clock that was wrong has been put back. The unique fire keeps such a time from being
/// fired twice.
fn needs_attention(schedule: &ScheduleRow, plan: &Plan) -> bool {
    match (schedule.next_fire_at, plan.next_after(schedule.now)) {
        (None, expected) => expected.is_some(),
        (Some(next), _) if next <= schedule.now => true,
        (Some(next), expected) => expected.is_none_or(|expected| next > expected),
    }
}

fn decide(schedule: &ScheduleRow, plan: &Plan, due: OffsetDateTime) -> Decision {
    let decision = plan.decide(due, schedule.now, schedule.starting_deadline());
    if let Decision::Fire { planned_at, .. } = decision
        && planned_at != due
    {
        tracing::warn!(schedule = schedule.name, since = %due, "times were missed; fired once");
    }
    decision
}
