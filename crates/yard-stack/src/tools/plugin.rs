//! The broker's plugin, built from this checkout.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Doing, Result, StackError};

const FILE: &str = "libyard_broker_plugin.so";

/// Builds the plugin and gives back its file. Seconds at first, then a fraction of one: it has no
/// dependencies. It has a build folder of its own below `target`, because whoever calls this may be
/// run by a cargo that holds the lock of the usual one.
///
/// # Errors
/// When cargo cannot build it: the broker is not started without its plugin.
pub fn broker_plugin(workspace: &Path, target: &Path) -> Result<PathBuf> {
    let folder = target.join("broker-plugin");
    // The cargo that runs this, so that a toolchain override holds here as well.
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--quiet", "--package", "yard-broker-plugin"])
        .arg("--target-dir")
        .arg(&folder)
        .current_dir(workspace)
        .stdin(Stdio::null())
        .output()
        .doing(|| "run cargo to build the broker's plugin".into())?;
    if !output.status.success() {
        return Err(StackError::Command {
            command: "cargo build --release --package yard-broker-plugin".into(),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    let file = folder.join("release").join(FILE);
    if file.is_file() {
        return Ok(file);
    }
    Err(StackError::NoFile { what: "the broker's plugin", path: file })
}
