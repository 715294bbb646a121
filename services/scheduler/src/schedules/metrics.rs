//! Names of the schedules' metrics, each written in one place. Schedules are few and ours.

use time::Duration;

use super::plan::Cause;

/// A fire is committed.
pub(super) fn fired(schedule: &str, cause: Cause, lag: Duration) {
    let schedule = schedule.to_owned();
    metrics::counter!(
        "yard_schedule_fires_total", "schedule" => schedule, "cause" => cause.as_str()
    )
    .increment(1);
    if cause != Cause::ByHand {
        metrics::histogram!("yard_schedule_lag_seconds").record(lag.as_seconds_f64().max(0.0));
    }
}

/// A time was missed by more than the schedule's starting deadline.
pub(super) fn skipped(schedule: &str) {
    let schedule = schedule.to_owned();
    metrics::counter!("yard_schedule_skips_total", "schedule" => schedule).increment(1);
}
