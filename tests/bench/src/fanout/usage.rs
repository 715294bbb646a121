//! What a process has used, from Linux's own accounts.

use std::fs;

use anyhow::{Context, Result};

/// Linux counts in hundredths of a second on every machine we run on.
const TICKS: f64 = 100.0;

/// Processor time, seconds.
pub(super) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("read its times")?;
    // The name before the bracket may hold blanks; user and system time are the 12th and 13th
    // field after it.
    let (_, fields) = stat.rsplit_once(')').context("its times are not there")?;
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = times.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / TICKS)
}

/// Resident memory, KiB.
pub(super) fn resident_kib(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).context("read its maps")?;
    let line = text.lines().find(|line| line.starts_with("Rss:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|number| number.parse().ok()).context("its memory is not told")
}

/// Files that this process may open.
pub(super) fn most_files() -> Result<usize> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)).context("no limit is told")?;
    Ok(soft.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_usage_can_be_read() {
        let me = std::process::id();
        assert!(cpu_seconds(me).is_ok());
        assert!(resident_kib(me).is_ok_and(|kib| kib > 100));
        assert!(most_files().is_ok_and(|files| files > 0));
    }
}
