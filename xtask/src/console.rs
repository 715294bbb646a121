//! Node packages and the console's build.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Result;
use yard_stack::tools::Node;

use crate::workspace::Workspace;
use crate::{command, say};

const SOURCES: [&str; 7] = [
    "src",
    "public",
    "index.html",
    "package.json",
    "package-lock.json",
    "vite.config.ts",
    "tsconfig.json",
];

/// The console's folder.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.join("services/console")
}

/// Installs the console's packages.
pub(crate) fn install(workspace: &Workspace) -> Result<()> {
    packages(&folder(workspace), "installing the console's packages (npm)")
}

/// Installs exactly the packages of a folder's lock file, when that has not been done for this
/// lock file.
pub(crate) fn packages(folder: &Path, step: &str) -> Result<()> {
    let node = Node::find()?;
    let installed = modified(&folder.join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= modified(&folder.join("package-lock.json")) {
        return Ok(());
    }
    say::step(step, || {
        command::new(&node.npm, folder)
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .quiet()
    })
}

/// Builds the console into `dist`, unless that is newer than every source.
pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    let folder = folder(workspace);
    let built = modified(&folder.join("dist/index.html"));
    let newest = SOURCES.iter().filter_map(|source| newest(&folder.join(source))).max();
    if built.is_some() && built >= newest {
        return Ok(());
    }
    script(&folder, "build", "building the console")
}

/// Runs a script of a folder's package.
pub(crate) fn script(folder: &Path, name: &str, step: &str) -> Result<()> {
    let node = Node::find()?;
    say::step(step, || command::new(&node.npm, folder).args(["run", "--silent", name]).quiet())
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}

fn newest(path: &Path) -> Option<SystemTime> {
    if !path.is_dir() {
        return modified(path);
    }
    let entries = fs::read_dir(path).ok()?.flatten();
    entries.filter_map(|entry| newest(&entry.path())).chain(modified(path)).max()
}
