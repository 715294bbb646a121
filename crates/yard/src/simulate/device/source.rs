//! Readings from a recording, numbered.

use serde_json::{Map, Value};

use super::Machine;
use crate::replay::Recording;

/// Where a device is in the recording.
#[derive(Debug)]
pub(in crate::simulate) struct Source {
    recording: Recording,
    offset: usize,
    taken: u64,
}

impl Source {
    /// Begins at row `offset`, so that devices of one recording do not all show the same.
    pub(in crate::simulate) const fn new(recording: Recording, offset: usize) -> Self {
        Self { recording, offset, taken: 0 }
    }

    /// The row of the reading taken last; of the first one before there is any.
    pub(super) fn index(&self) -> usize {
        self.offset + usize::try_from(self.taken.saturating_sub(1)).unwrap_or(usize::MAX / 2)
    }

    pub(super) const fn recording(&self) -> &Recording {
        &self.recording
    }

    /// The next reading: its sequence, 1, 2, …, and its values as the machine lets them through.
    pub(super) fn take(&mut self, machine: &Machine) -> (u64, Map<String, Value>) {
        self.taken += 1;
        let row = self.recording.row(self.index());
        let measured = self.recording.columns.iter().zip(&row.values);
        let mut values = Map::new();
        for (column, value) in measured {
            if let Some(value) = value {
                values.insert(column.clone(), machine.measure(column, *value).into());
            }
        }
        machine.add_own(&mut values);
        (self.taken, values)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn source_counts_from_one_and_follows_the_rows_from_its_offset() {
        let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../data/water-flow.csv");
        let recording = Recording::read(&data).unwrap();
        let last = recording.rows.len() - 1;
        let mut source = Source::new(recording.clone(), last);
        let machine = Machine::new(false);
        let mut next = || source.take(&machine);
        let value = |index: usize| recording.rows[index].values[0].unwrap();
        for (sequence, index) in [(1, last), (2, 0), (3, 1)] {
            let (taken, values) = next();
            assert_eq!((taken, values["flow_lps"].as_f64()), (sequence, Some(value(index))));
        }
    }
}
