//! Recorded measurements, replayed as if they were taken now.

mod csv;
mod timestamp;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use crate::failure::{Failure, Outcome};

/// One row: when it was measured and what, in the order of [`Recording::columns`].
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// When it was measured. Without an offset in the file it counts as UTC: only the steps between
    /// rows matter.
    pub at: OffsetDateTime,
    /// `None` where the cell is empty.
    pub values: Vec<Option<f64>>,
}

/// A file of measurements.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Keys of the values, as telemetry names them.
    pub columns: Vec<String>,
    /// At least one.
    pub rows: Arc<[Row]>,
}

impl Recording {
    /// Reads a CSV file: first column the time, the others numbers, first line their names.
    pub fn read(path: &Path) -> Outcome<Self> {
        let text = std::fs::read_to_string(path).map_err(Failure::file(path))?;
        csv::parse(&text).map_err(|e| Failure::other(format!("{}: {e}", path.display())))
    }

    /// The row that follows `index`, round and round.
    #[must_use]
    pub fn row(&self, index: usize) -> &Row {
        // The constructor refuses a file without rows.
        &self.rows[index % self.rows.len()]
    }

    /// Time between a row and the next, never negative; back to the beginning it is the last step.
    #[must_use]
    pub fn step_after(&self, index: usize) -> Duration {
        let count = self.rows.len();
        let here = (index % count).min(count.saturating_sub(2));
        let Some(next) = self.rows.get(here + 1) else {
            return Duration::from_secs(1);
        };
        (next.at - self.rows[here].at).try_into().unwrap_or(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests;
