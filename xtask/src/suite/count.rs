//! How many tests a runner says it ran.

use std::ops::Add;

/// How nextest's closing line begins.
const NEXTEST: &str = "Summary [";

/// Tests passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) passed: u64,
    pub(super) failed: u64,
}

impl Count {
    pub(super) fn one_passed() -> Self {
        Self { passed: 1, failed: 0 }
    }

    pub(super) fn one_failed() -> Self {
        Self { passed: 0, failed: 1 }
    }

    /// Reads a runner's closing lines. A run that ended badly has at least one failure, a run that
    /// tells no number counts as one test.
    pub(super) fn from_run(ok: bool, output: &str) -> Self {
        // nextest repeats the whole output of a test that failed, closing line and all.
        let is_summary = |line: &&str| line.trim_start().starts_with(NEXTEST);
        let closing: Vec<&str> = match output.lines().rfind(is_summary) {
            Some(summary) => vec![summary],
            None => output.lines().collect(),
        };
        let mut count =
            closing.into_iter().filter_map(closing_line).fold(Self::default(), Add::add);
        if count.passed + count.failed == 0 && ok {
            count.passed = 1;
        }
        if !ok {
            count.failed = count.failed.max(1);
        }
        count
    }
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

/// nextest `Summary [..] 3 tests run: 2 passed, 1 failed`, cargo `test result: ok. 2 passed; …`,
/// vitest `Tests  1 failed | 2 passed (3)`, Playwright `2 passed (3.1s)` and `1 failed`.
fn closing_line(line: &str) -> Option<Count> {
    let line = line.trim();
    let whole = [NEXTEST, "test result:", "Tests "].iter().any(|head| line.starts_with(head));
    let mut words = line.split_whitespace();
    let first = words.next()?.parse::<u64>().is_ok();
    let alone = first && matches!(words.next(), Some("passed" | "failed"));
    if !whole && !alone {
        return None;
    }
    let number = |word| number_before(line, word).unwrap_or(0);
    Some(Count { passed: number("passed"), failed: number("failed") + number("timed") })
}

fn number_before(line: &str, wanted: &str) -> Option<u64> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| word.trim_end_matches([',', ';']) == wanted)?;
    words.get(at.checked_sub(1)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runners_closing_line_is_understood() {
        let lines = [
            ("     Summary [   1.2s] 3 tests run: 2 passed (1 slow), 1 failed, 4 skipped", 2, 1),
            ("test result: FAILED. 15 passed; 2 failed; 0 ignored; finished in 0.12s", 15, 2),
            ("      Tests  1 failed | 41 passed (42)", 41, 1),
            ("  5 passed (3.2s)", 5, 0),
            ("  2 failed", 0, 2),
        ];
        for (line, passed, failed) in lines {
            assert_eq!(closing_line(line), Some(Count { passed, failed }), "{line}");
        }
        assert_eq!(closing_line("running 3 tests"), None);
        assert_eq!(closing_line(" Test Files  2 passed (2)"), None);
    }

    #[test]
    fn failed_test_that_nextest_repeats_counts_once() {
        let output = "FAIL [ 8.0s] it one\n    test result: FAILED. 0 passed; 1 failed; 0 ignored\n\
                      Summary [ 9.0s] 3 tests run: 2 passed, 1 failed, 0 skipped\n";
        assert_eq!(Count::from_run(false, output), Count { passed: 2, failed: 1 });
    }

    #[test]
    fn a_bad_end_is_a_failure_whatever_was_printed() {
        assert_eq!(Count::from_run(false, "5 passed (1s)"), Count { passed: 5, failed: 1 });
        assert_eq!(Count::from_run(true, "done"), Count::one_passed());
    }
}
