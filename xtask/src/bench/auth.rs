//! `cargo xtask bench auth`: the program of `tests/e2e`, on servers of its own.

use anyhow::{Result, bail};
use serde_json::Value;

use crate::command;
use crate::workspace::{Workspace, last_json};

/// Sign-ins and token verifications a second, and the spread of revocations.
pub(super) fn measure(workspace: &Workspace, release: bool) -> Result<Value> {
    let cargo = command::cargo(workspace.root()).args([
        "run",
        "--quiet",
        "--package",
        "yard-e2e",
        "--bin",
        "auth-bench",
    ]);
    let (ok, output) = if release { cargo.arg("--release") } else { cargo }.tee()?;
    if !ok {
        bail!("the bench has failed");
    }
    last_json(&output)
}
