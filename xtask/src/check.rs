//! `cargo xtask check`: what must hold before tests are worth running.

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{command, console, house, say};

/// Runs format, lints and the house checks; all are run even when one fails.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let root = workspace.root();
    let format =
        say::step("format", || command::cargo(root).args(["fmt", "--all", "--check"]).quiet());
    let lints = say::step("lints", || {
        let clippy = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
        command::cargo(root).args(clippy).run()
    });
    let contract = say::step("contract", || buf(workspace));
    let house = say::step("house checks", || house::run(workspace));
    format.and(lints).and(contract).and(house)
}

/// buf's lint and format over `proto/`.
fn buf(workspace: &Workspace) -> Result<()> {
    let folder = workspace.join("proto");
    console::packages(&folder, "installing buf (npm)")?;
    // The package that picks the right one for the machine does not install from every registry.
    let platform = if cfg!(target_arch = "aarch64") { "linux-aarch64" } else { "linux-x64" };
    let program = folder.join(format!("node_modules/@bufbuild/buf-{platform}/bin/buf"));
    let buf = || command::new(&program, &folder);
    buf().arg("lint").quiet()?;
    buf().args(["format", "--diff", "--exit-code"]).quiet()
}
