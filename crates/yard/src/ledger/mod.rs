//! `acked.json`: what a simulated fleet was told is safe, to be held against what is stored.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::failure::{Failure, Outcome};
use crate::sequences::Sequences;

/// Runs of one device that are remembered; older ones were verified long ago.
const RUNS_KEPT: usize = 20;

/// One run of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRun {
    pub device_id: Uuid,
    pub name: String,
    /// Unix milliseconds of the run's start.
    pub epoch: i64,
    /// Readings taken, whether or not they could be sent yet.
    pub sent: u64,
    /// Sequences that the broker acknowledged with success.
    pub acked: Sequences,
    /// Readings that the broker refused for good.
    pub refused: u64,
    /// Sequences that the platform confirmed as stored; empty without `--receipts`.
    pub receipts: Sequences,
    pub last_sequence: u64,
    /// Connections after the first.
    pub reconnects: u64,
    /// Publishes repeated because their fate was unknown.
    pub resent: u64,
    /// Commands carried out.
    pub commands: u64,
}

/// All runs of a fleet, one entry for each device and run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    pub devices: Vec<DeviceRun>,
}

impl Ledger {
    /// The file in a state folder.
    #[must_use]
    pub fn path(state_dir: &Path) -> PathBuf {
        state_dir.join("acked.json")
    }

    /// Reads the file; an empty ledger when there is none.
    pub fn read(state_dir: &Path) -> Outcome<Self> {
        let path = Self::path(state_dir);
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(&path).map_err(Failure::file(&path))?;
        serde_json::from_str(&text)
            .map_err(|error| Failure::other(format!("{}: {error}", path.display())))
    }

    /// Replaces the file at once, so that a reader sees all of it or all of the one before.
    pub fn write(&self, state_dir: &Path) -> Outcome {
        let path = Self::path(state_dir);
        let next = path.with_extension("json.next");
        let text =
            serde_json::to_string(self).map_err(|error| Failure::other(error.to_string()))?;
        fs::write(&next, text).map_err(Failure::file(&next))?;
        fs::rename(&next, &path).map_err(Failure::file(&path))
    }

    /// Earlier runs of the devices that `keep` names, the newest [`RUNS_KEPT`] of each.
    #[must_use]
    pub fn of_devices(mut self, keep: impl Fn(Uuid) -> bool) -> Self {
        self.devices.retain(|run| keep(run.device_id));
        self.devices.sort_by_key(|run| (run.device_id, std::cmp::Reverse(run.epoch)));
        let mut seen = (Uuid::nil(), 0);
        self.devices.retain(|run| {
            seen = if seen.0 == run.device_id { (seen.0, seen.1 + 1) } else { (run.device_id, 1) };
            seen.1 <= RUNS_KEPT
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use yard_testkit::TestFolder;

    use super::*;

    fn run(device: u128, epoch: i64) -> DeviceRun {
        let acked = vec![(1, 5), (7, 7)].into();
        DeviceRun { device_id: Uuid::from_u128(device), epoch, acked, ..DeviceRun::default() }
    }

    #[test]
    fn ledger_written_is_read_back_and_none_is_empty() {
        let dir = TestFolder::new("ledger");
        assert_eq!(Ledger::read(&dir).unwrap(), Ledger::default());
        let ledger = Ledger { devices: vec![run(1, 5)] };
        ledger.write(&dir).unwrap();
        assert_eq!(Ledger::read(&dir).unwrap(), ledger);
    }

    #[test]
    fn ledger_keeps_the_newest_runs_of_devices_that_remain() {
        let devices = (0..30).map(|n| run(1, n)).chain([run(2, 1), run(3, 1)]).collect();
        let kept = Ledger { devices }.of_devices(|id| id != Uuid::from_u128(3));
        let of_first: Vec<_> =
            kept.devices.iter().map(|r| (r.device_id.as_u128(), r.epoch)).collect();
        assert_eq!(of_first.len(), RUNS_KEPT + 1);
        assert!(of_first.contains(&(1, 29)) && !of_first.contains(&(1, 9)));
        assert!(of_first.contains(&(2, 1)));
    }
}
