//! Names of the writer's metrics, each written in one place.

use metrics::{Counter, Histogram};
use time::OffsetDateTime;

use super::row::Row;

/// Handles, so that a row costs no look-up.
pub(super) struct Meters {
    stored: Counter,
    duplicates: Counter,
    poison: Counter,
    waits: Counter,
    batch_rows: Histogram,
    stored_seconds: Histogram,
    commit_seconds: Histogram,
}

impl Meters {
    pub(super) fn new() -> Self {
        Self {
            stored: metrics::counter!("yard_telemetry_stored_total"),
            duplicates: metrics::counter!("yard_telemetry_duplicates_total"),
            poison: metrics::counter!("yard_telemetry_poison_total"),
            waits: metrics::counter!("yard_telemetry_waits_total"),
            batch_rows: metrics::histogram!("yard_telemetry_batch_rows"),
            stored_seconds: metrics::histogram!("yard_telemetry_stored_seconds"),
            commit_seconds: metrics::histogram!("yard_telemetry_commit_seconds"),
        }
    }

    /// A transaction is committed: `new` of the rows were not there before.
    pub(super) fn committed(&self, rows: &[Row], new: u64, took: f64, now: OffsetDateTime) {
        self.stored.increment(new);
        self.duplicates.increment((rows.len() as u64).saturating_sub(new));
        self.batch_rows.record(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        self.commit_seconds.record(took);
        for row in rows {
            // Two machines' clocks may differ; a negative wait is none.
            self.stored_seconds.record((now - row.received_at).as_seconds_f64().max(0.0));
        }
    }

    /// A record went to the dead letters.
    pub(super) fn poison(&self) {
        self.poison.increment(1);
    }

    /// A batch could not be written for want of the database.
    pub(super) fn waited(&self) {
        self.waits.increment(1);
    }
}
