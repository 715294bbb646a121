//! From the revocation of a certificate to the end of its device's connection.

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::workspace::{Workspace, last_json};
use crate::{command, say};

pub(super) fn measure(workspace: &Workspace, debug: bool) -> Result<Value> {
    let (ok, output) = say::step("revoking fifty devices", || {
        let cargo = command::cargo(workspace.root()).args(["run", "--quiet"]);
        let cargo = if debug { cargo } else { cargo.arg("--release") };
        cargo.args(["--package", "yard-e2e", "--bin", "revocation"]).tee()
    })?;
    let figures = last_json(&output)?;
    ensure!(ok, "revocation is slower than promised, or reached the wrong device: {figures}");
    Ok(figures)
}
