//! The house checks: rules of this repository that no compiler or linter knows.

mod edges;
mod faults;
mod layout;
mod openapi;
mod paths;

use anyhow::{Result, bail};

pub(crate) use openapi::regenerate as regenerate_openapi;

use crate::say;
use crate::workspace::Workspace;

/// A rule and what it found wrong; empty means that it holds.
type Check = (&'static str, fn(&Workspace) -> Result<Vec<String>>);

const CHECKS: [Check; 8] = [
    ("every crate takes the workspace's lints", layout::lints_inherited),
    ("a service's main.rs only starts its library", layout::mains_are_thin),
    ("files stay below 600 lines", layout::files_are_short),
    ("services call only whom they may", edges::calls_are_allowed),
    ("the gateway has no database", edges::gateway_has_no_database),
    ("every fault code has its page", faults::codes_have_pages),
    ("no path of somebody's machine", paths::no_machine_paths),
    ("the OpenAPI document is current", openapi::is_current),
];

/// Runs every check and fails with all findings together.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut findings = 0;
    for (rule, check) in CHECKS {
        // A check that cannot even run is a finding too, and no reason to skip the others.
        let wrong = check(workspace).unwrap_or_else(|error| vec![format!("{error:#}")]);
        say::note(format!("  {} {rule}", if wrong.is_empty() { "✓" } else { "✗" }));
        for finding in &wrong {
            say::note(format!("      {finding}"));
        }
        findings += wrong.len();
    }
    if findings > 0 {
        bail!("{findings} findings of the house checks");
    }
    Ok(())
}
