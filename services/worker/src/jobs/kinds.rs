//! What kinds of job there are, and what each does. A handler may run more than once.

use std::time::Duration;

use yard_fault::Fault;
use yard_pg::Pg;

use super::store;
use crate::telemetry::partitions;

const HISTORY: Duration = Duration::from_secs(7 * 86_400);
/// Fewer days ahead than this leave too little time for a person to come.
const FEWEST_DAYS_AHEAD: i32 = 3;

/// A kind of job of the queue `default`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobKind {
    /// Makes telemetry's partitions of the next days.
    PartitionMaintenance,
    /// Deletes finished jobs after a week.
    JobHistoryCleanup,
}

impl JobKind {
    pub(super) const ALL: [Self; 2] = [Self::PartitionMaintenance, Self::JobHistoryCleanup];

    /// As in requests and rows.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::PartitionMaintenance => "partition-maintenance",
            Self::JobHistoryCleanup => "job-history-cleanup",
        }
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Does the work.
    pub(super) async fn run(self, pg: &Pg) -> Result<(), Fault> {
        match self {
            Self::PartitionMaintenance => maintain_partitions(pg).await,
            Self::JobHistoryCleanup => clean_history(pg).await,
        }
    }
}

async fn maintain_partitions(pg: &Pg) -> Result<(), Fault> {
    let made = partitions::ensure(pg).await?;
    let days = partitions::days_ahead(pg).await?;
    metrics::gauge!("yard_telemetry_partition_days_ahead").set(f64::from(days));
    if days < FEWEST_DAYS_AHEAD {
        tracing::warn!(days, "too few telemetry partitions ahead");
    }
    tracing::info!(made, days, "telemetry partitions maintained");
    Ok(())
}

async fn clean_history(pg: &Pg) -> Result<(), Fault> {
    let mut deleted = 0;
    loop {
        let portion = store::delete_finished(pg, HISTORY).await?;
        deleted += portion;
        if portion == 0 {
            break;
        }
    }
    tracing::info!(deleted, "job history cleaned");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_back_by_name() {
        for kind in JobKind::ALL {
            assert_eq!(JobKind::of_name(kind.name()), Some(kind));
        }
        assert_eq!(JobKind::of_name("presence_sweep"), None);
    }
}
