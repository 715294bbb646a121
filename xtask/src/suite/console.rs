//! The console's own tests.

use anyhow::Result;
use yard_stack::tools;

use super::count::Count;
use crate::workspace::Workspace;
use crate::{command, console, say};

/// Types, lints, unit tests, build and size budget.
pub(super) fn run(workspace: &Workspace) -> Result<Count> {
    let mut total = Count::default();
    console::install(workspace)?;
    for script in ["typecheck", "lint", "test", "build"] {
        total = total + npm(workspace, script, &[])?;
    }
    Ok(total)
}

/// Playwright against the built console, in Debian's Chromium.
pub(super) fn end_to_end(workspace: &Workspace) -> Result<Count> {
    console::install(workspace)?;
    console::build(workspace)?;
    let progress = &mut |line: &str| say::note(format!("    {line}"));
    let chromium = tools::chromium(progress)?;
    npm(workspace, "e2e", &[("CHROMIUM", chromium.to_string_lossy().as_ref())])
}

pub(super) fn npm(workspace: &Workspace, script: &str, env: &[(&str, &str)]) -> Result<Count> {
    say::note(format!("  npm run {script}"));
    let base = command::new("npm", &console::folder(workspace))
        .args(["run", "--silent", script])
        .env("NO_COLOR", "1")
        .env("CI", "1");
    let (ok, output) = env.iter().fold(base, |cmd, (key, value)| cmd.env(key, value)).tee()?;
    Ok(Count::from_run(ok, &output))
}
