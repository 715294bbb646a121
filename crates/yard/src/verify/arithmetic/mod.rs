//! Sums that must come out at nothing lost and nothing twice.

use serde::Serialize;

use super::quarantine::Quarantined;
use super::stored::Stored;
use crate::ledger::DeviceRun;
use crate::sequences::Sequences;

/// Failing runs that are named one by one.
const NAMED: usize = 10;

/// One run of one device, settled.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) run: DeviceRun,
    /// Acknowledged, but neither stored nor in quarantine.
    pub(super) lost: Sequences,
    pub(super) stored: u64,
    pub(super) duplicates: u64,
    pub(super) out_of_order: u64,
    pub(super) quarantined: u64,
    /// Confirmed as stored, and yet not there.
    pub(super) receipts_lost: u64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

impl Account {
    pub(super) fn settle(run: DeviceRun, stored: &Stored, quarantined: &Quarantined) -> Self {
        let report = &stored.report;
        Self {
            lost: run.acked.without(&stored.sequences).without(&quarantined.sequences),
            receipts_lost: run.receipts.without(&stored.sequences).len(),
            stored: report.stored,
            duplicates: report.stored.saturating_sub(report.distinct_sequences),
            out_of_order: report.out_of_order,
            quarantined: quarantined.messages,
            p50_ms: report.stored_p50_ms,
            p99_ms: report.stored_p99_ms,
            run,
        }
    }

    const fn is_sound(&self) -> bool {
        self.lost.is_empty() && self.duplicates == 0 && self.receipts_lost == 0
    }
}

/// A run that did not come out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Failing {
    device_id: uuid::Uuid,
    name: String,
    epoch: i64,
    lost: u64,
    /// The first ranges of what is lost.
    lost_ranges: Vec<(u64, u64)>,
    duplicates: u64,
    receipts_lost: u64,
}

impl Failing {
    pub(super) fn line(&self) -> String {
        format!(
            "{} ({}): {} lost {:?}, {} duplicates",
            self.name, self.device_id, self.lost, self.lost_ranges, self.duplicates
        )
    }
}

/// All runs together; the answer of `yard verify`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Verification {
    /// Devices, however many runs each had.
    pub(super) devices: usize,
    pub(super) runs: usize,
    pub(super) acked: u64,
    pub(super) stored: u64,
    pub(super) lost: u64,
    pub(super) duplicates: u64,
    pub(super) out_of_order: u64,
    pub(super) quarantined: u64,
    pub(super) receipts: u64,
    pub(super) receipts_lost: u64,
    /// Accepted to stored: the median of the devices' medians, weighted by their readings.
    pub(super) stored_p50_ms: f64,
    /// The largest of the devices' 99th percentiles: at least 99 of 100 readings of all were faster.
    pub(super) stored_p99_ms: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) failing: Vec<Failing>,
}

impl Verification {
    pub(super) fn of(accounts: &[Account]) -> Self {
        let sum = |of: fn(&Account) -> u64| accounts.iter().map(of).sum();
        let devices: std::collections::HashSet<_> =
            accounts.iter().map(|account| account.run.device_id).collect();
        Self {
            devices: devices.len(),
            runs: accounts.len(),
            acked: sum(|a| a.run.acked.len()),
            stored: sum(|a| a.stored),
            lost: sum(|a| a.lost.len()),
            duplicates: sum(|a| a.duplicates),
            out_of_order: sum(|a| a.out_of_order),
            quarantined: sum(|a| a.quarantined),
            receipts: sum(|a| a.run.receipts.len()),
            receipts_lost: sum(|a| a.receipts_lost),
            stored_p50_ms: median(accounts),
            stored_p99_ms: accounts.iter().map(|a| a.p99_ms).fold(0.0, f64::max),
            failing: accounts.iter().filter(|a| !a.is_sound()).take(NAMED).map(failing).collect(),
        }
    }

    pub(super) const fn is_sound(&self) -> bool {
        self.lost == 0 && self.duplicates == 0 && self.receipts_lost == 0
    }
}

fn failing(account: &Account) -> Failing {
    Failing {
        device_id: account.run.device_id,
        name: account.run.name.clone(),
        epoch: account.run.epoch,
        lost: account.lost.len(),
        lost_ranges: account.lost.ranges().iter().take(5).copied().collect(),
        duplicates: account.duplicates,
        receipts_lost: account.receipts_lost,
    }
}

fn median(accounts: &[Account]) -> f64 {
    let mut medians: Vec<_> = accounts.iter().map(|a| (a.p50_ms, a.stored)).collect();
    medians.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = medians.iter().map(|(_, weight)| weight).sum::<u64>().div_ceil(2);
    let mut passed = 0;
    let middle = medians.iter().find(|(_, weight)| {
        passed += weight;
        passed >= half && passed > 0
    });
    middle.map_or(0.0, |(value, _)| *value)
}

#[cfg(test)]
mod tests;
