//! What a person sees: one line per step on standard error, results on standard output.

use std::fmt::Display;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Prints a line of a result.
pub(crate) fn out(line: impl Display) {
    emit(&mut std::io::stdout().lock(), &line);
}

/// Prints a line about what is going on.
pub(crate) fn note(line: impl Display) {
    emit(&mut std::io::stderr().lock(), &line);
}

/// A closed terminal is no reason to stop: the work goes on and its result is in the exit code.
fn emit(to: &mut impl Write, line: &impl Display) {
    drop(writeln!(to, "{line}"));
}

/// Says what is done, does it and says how long it took.
pub(crate) fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    note(format!("  {what} …"));
    let begun = Instant::now();
    let done = work()?;
    note(format!("  ✓ {what} ({})", seconds(begun.elapsed())));
    Ok(done)
}

/// `1.2 s`, or minutes when it is long.
pub(crate) fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    if whole >= 60 {
        return format!("{} min {:02} s", whole / 60, whole % 60);
    }
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_for_people() {
        assert_eq!(seconds(Duration::from_millis(1_240)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 05 s");
    }
}
