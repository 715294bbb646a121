//! `cargo xtask matrix`: every RPC of the contract as everyone who must not be let in.

use anyhow::{Result, bail};

use crate::cli::Json;
use crate::workspace::{Workspace, last_json};
use crate::{command, say};

/// Runs the matrix of `tests/e2e` on servers of its own.
pub(crate) fn run(workspace: &Workspace, how: Json) -> Result<()> {
    let (ok, output) = command::cargo(workspace.root())
        .args(["run", "--quiet", "--package", "yard-e2e", "--bin", "matrix"])
        .tee()?;
    let figures = last_json(&output)?;
    if how.json {
        say::out(figures);
    }
    if !ok {
        bail!("the access matrix is not clean");
    }
    Ok(())
}
