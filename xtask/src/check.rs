//! `cargo xtask check`: what must hold before tests are worth running.

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{command, house, say};

/// Runs format, lints and the house checks; all are run even when one fails.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let root = workspace.root();
    let format = say::step("format", || {
        command::cargo(root)
            .args(["fmt", "--all", "--check"])
            .quiet()
    });
    let lints = say::step("lints", || {
        let clippy = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ];
        command::cargo(root).args(clippy).run()
    });
    let house = say::step("house checks", || house::run(workspace));
    format.and(lints).and(house)
}
