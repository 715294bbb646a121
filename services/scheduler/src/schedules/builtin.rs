use std::time::Duration;

/// A schedule that every installation has.
#[derive(Debug, Clone, Copy)]
pub(super) struct BuiltIn {
    pub(super) name: &'static str,
    pub(super) cron: &'static str,
    pub(super) time_zone: &'static str,
    pub(super) queue: &'static str,
    pub(super) job_kind: &'static str,
    pub(super) starting_deadline: Duration,
}

const HOUR: Duration = Duration::from_secs(3_600);

pub(super) const ALL: [BuiltIn; 3] = [
    BuiltIn {
        name: "partition-maintenance",
        cron: "0 2 * * *",
        time_zone: "UTC",
        queue: "default",
        job_kind: "partition-maintenance",
        // Seven days are made ahead, so a day late is early enough.
        starting_deadline: HOUR.saturating_mul(24),
    },
    BuiltIn {
        name: "job-history-cleanup",
        cron: "0 * * * *",
        time_zone: "UTC",
        queue: "default",
        job_kind: "job-history-cleanup",
        starting_deadline: HOUR,
    },
    BuiltIn {
        name: "presence-sweep",
        cron: "* * * * *",
        time_zone: "UTC",
        queue: "ingest",
        job_kind: "presence-sweep",
        starting_deadline: Duration::from_secs(60),
    },
];
