//! `cargo xtask test`: everything that must pass, in order, with timings.

mod api;
mod console;
mod count;
mod live;
mod rust;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::chaos::{self, ChaosArgs};
use crate::cli::Json;
use crate::workspace::Workspace;
use crate::{chart, check, requirements, say};
use count::Count;

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Run only these parts.
    #[arg(long, value_enum)]
    only: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Format, lints, house checks.
    Check,
    /// Every Rust test, on shared real servers.
    Rust,
    /// The console: types, lints, unit tests, build, size budget.
    Console,
    /// The console in a browser.
    E2e,
    /// The requirements ledger.
    Requirements,
    /// The Helm chart.
    Chart,
    /// The OpenAPI document, and the real platform driven by it.
    Api,
    /// The console in a browser, on the real platform.
    Live,
    /// Every process killed in turn under load; nothing acknowledged may be lost.
    Chaos,
}

const ALL: [Part; 9] = [
    Part::Check,
    Part::Rust,
    Part::Console,
    Part::E2e,
    Part::Requirements,
    Part::Chart,
    Part::Api,
    Part::Live,
    Part::Chaos,
];

struct Outcome {
    part: Part,
    count: Count,
    took: Duration,
}

/// Runs the parts, all of them even when one fails. The last line of output is
/// `N passed, N failed`.
pub(crate) fn run(workspace: &Workspace, args: &TestArgs) -> Result<()> {
    let mut outcomes = Vec::new();
    for part in ALL {
        if args.only.is_empty() || args.only.contains(&part) {
            outcomes.push(run_part(workspace, part));
        }
    }
    say::note("\nSummary");
    for Outcome { part, count, took } in &outcomes {
        let mark = if count.failed == 0 { "✓" } else { "✗" };
        let (name, time) = (format!("{part:?}").to_lowercase(), say::seconds(*took));
        let Count { passed, failed } = count;
        say::note(format!("  {mark} {name:<13} {passed:>5} passed {failed:>3} failed  {time}"));
    }
    let total = outcomes.iter().fold(Count::default(), |sum, one| sum + one.count);
    say::out(format!("{} passed, {} failed", total.passed, total.failed));
    if total.failed > 0 {
        bail!("not everything passed");
    }
    Ok(())
}

fn run_part(workspace: &Workspace, part: Part) -> Outcome {
    say::note(format!("\n── {part:?}"));
    let begun = Instant::now();
    let quiet = Json { json: false };
    let result = match part {
        Part::Check => check::run(workspace).map(|()| Count::one_passed()),
        Part::Rust => rust::run(workspace),
        Part::Console => console::run(workspace),
        Part::E2e => console::end_to_end(workspace),
        Part::Requirements => requirements::run(workspace, quiet).map(|()| Count::one_passed()),
        Part::Chart => chart::run(workspace, quiet).map(|()| Count::one_passed()),
        Part::Api => api::run(workspace),
        Part::Live => live::run(workspace),
        Part::Chaos => chaos::run(workspace, &ChaosArgs::for_test()).map(|()| Count::one_passed()),
    };
    let count = result.unwrap_or_else(|error| {
        say::note(format!("✗ {error:#}"));
        Count::one_failed()
    });
    Outcome { part, count, took: begun.elapsed() }
}
