//! The counts of a whole fleet.

use serde::Serialize;

use super::tally::Tally;
use crate::output::{Output, Table};

/// Sums over all devices of this run; the answer of `yard simulate`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Summary {
    pub(super) devices: usize,
    /// Connected at this moment.
    pub(super) connected: usize,
    pub(super) epoch: i64,
    /// Readings taken.
    pub(super) sent: u64,
    pub(super) acked: u64,
    pub(super) refused: u64,
    /// Confirmed as stored; 0 without `--receipts`.
    pub(super) receipts: u64,
    /// Taken but neither acknowledged nor refused.
    pub(super) pending: u64,
    pub(super) resent: u64,
    pub(super) reconnects: u64,
    pub(super) commands: u64,
    pub(super) seconds: f64,
    pub(super) acked_per_second: f64,
    /// What keeps a device from connecting, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trouble: Option<String>,
}

impl Summary {
    pub(super) fn of(tallies: &[Tally], seconds: f64) -> Self {
        let mut sum = Self { devices: tallies.len(), seconds, ..Self::default() };
        for tally in tallies {
            let counts = tally.counts();
            let run = &counts.run;
            sum.connected += usize::from(counts.connected);
            sum.epoch = run.epoch;
            sum.sent += run.sent;
            sum.acked += run.acked.len();
            sum.refused += run.refused;
            sum.receipts += run.receipts.len();
            sum.resent += run.resent;
            sum.reconnects += run.reconnects;
            sum.commands += run.commands;
            if sum.trouble.is_none() {
                sum.trouble.clone_from(&counts.trouble);
            }
        }
        sum.pending = sum.sent.saturating_sub(sum.acked + sum.refused);
        sum.acked_per_second = sum.acked as f64 / seconds.max(0.001);
        sum
    }

    /// One line for people who watch.
    pub(super) fn line(&self) -> String {
        let trouble = self.trouble.as_deref().map(|t| format!("  ({t})")).unwrap_or_default();
        format!(
            "{:>6.0}s  {}/{} connected  {} taken  {} acknowledged ({:.0}/s)  {} commands{trouble}",
            self.seconds,
            self.connected,
            self.devices,
            self.sent,
            self.acked,
            self.acked_per_second,
            self.commands
        )
    }

    pub(super) fn print(&self, out: Output) {
        let facts = [
            ("devices", self.devices.to_string()),
            ("taken", self.sent.to_string()),
            ("acknowledged", format!("{} ({:.0}/s)", self.acked, self.acked_per_second)),
            ("refused", self.refused.to_string()),
            ("pending", self.pending.to_string()),
            ("receipts", self.receipts.to_string()),
            ("sent again", self.resent.to_string()),
            ("reconnects", self.reconnects.to_string()),
            ("commands", self.commands.to_string()),
            ("seconds", format!("{:.1}", self.seconds)),
        ];
        for line in Table::facts(&facts).lines() {
            out.line(&line);
        }
        if let Some(trouble) = &self.trouble {
            out.line(&format!("last trouble  {trouble}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::DeviceRun;

    #[test]
    fn summary_adds_up_and_knows_what_is_pending() {
        let run = |sent, last, refused| {
            let acked = vec![(1, last)].into();
            Tally::new(DeviceRun { epoch: 5, sent, acked, refused, ..DeviceRun::default() })
        };
        let sum = Summary::of(&[run(10, 8, 1), run(5, 5, 0)], 2.0);
        assert_eq!((sum.devices, sum.sent, sum.acked, sum.pending), (2, 15, 13, 1));
        assert!((sum.acked_per_second - 6.5).abs() < 1e-9);
    }
}
