//! Private Python environments for tools that come from PyPI.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{command, say};

/// What an environment holds.
pub(crate) struct PythonEnv<'e> {
    /// Its folder below the tool cache.
    pub(crate) name: &'e str,
    /// For people.
    pub(crate) what: &'e str,
    /// As `pip install -r` reads it.
    pub(crate) requirements: &'e str,
    /// Every package by version and hash: nothing else is installed.
    pub(crate) hashed: bool,
    /// The same, by hash, for packages of which PyPI has the source only; what builds them is among
    /// `requirements`.
    pub(crate) sources: &'e str,
}

impl PythonEnv<'_> {
    /// The environment's Python; made with `base` when it is not there or its requirements changed.
    pub(crate) fn ensure(
        &self,
        workspace: &Workspace,
        base: impl Fn(&Path) -> Result<PathBuf>,
    ) -> Result<PathBuf> {
        let folder = workspace.tool_cache().join(self.name);
        let (python, stamp) = (folder.join("bin/python"), folder.join("requirements.txt"));
        let stamped = format!("{}{}", self.requirements, self.sources);
        if fs::read_to_string(&stamp).is_ok_and(|made| made == stamped) {
            return Ok(python);
        }
        fs::create_dir_all(workspace.tool_cache())?;
        say::step(&format!("installing {} (PyPI)", self.what), || {
            let base = base(workspace.root())?;
            command::new(base, workspace.root())
                .args(["-m", "venv", "--clear"])
                .arg(&folder)
                .quiet()?;
            let strict: &[&str] =
                if self.hashed { &["--require-hashes", "--only-binary", ":all:"] } else { &[] };
            install(workspace, &python, self.requirements, strict)?;
            if !self.sources.is_empty() {
                let strict = ["--require-hashes", "--no-build-isolation", "--no-deps"];
                install(workspace, &python, self.sources, &strict)?;
            }
            fs::write(&stamp, stamped)?;
            Ok(())
        })?;
        Ok(python)
    }
}

fn install(workspace: &Workspace, python: &Path, wanted: &str, strict: &[&str]) -> Result<()> {
    let file = python.with_file_name("wanted.txt");
    fs::write(&file, wanted)?;
    command::new(python, workspace.root())
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(strict)
        .arg("-r")
        .arg(&file)
        .quiet()?;
    Ok(())
}

/// The first Python that is `oldest` (minor version of 3) or newer.
pub(crate) fn find(root: &Path, oldest: u8) -> Option<PathBuf> {
    const NAMES: [&str; 6] =
        ["python3.13", "python3.12", "python3.14", "python3.11", "python3", "python"];
    let new_enough = format!("import sys, venv; sys.exit(sys.version_info < (3, {oldest}))");
    let mut candidates: Vec<PathBuf> = NAMES.iter().map(PathBuf::from).collect();
    candidates.extend(pyenv_pythons());
    let fits =
        |python: &PathBuf| command::new(python, root).args(["-c", &new_enough]).quiet().is_ok();
    candidates.into_iter().find(fits)
}

fn pyenv_pythons() -> Vec<PathBuf> {
    let Some(home) = std::env::var_os("HOME") else {
        return Vec::new();
    };
    let versions = fs::read_dir(Path::new(&home).join(".pyenv/versions"));
    let folders = versions.into_iter().flatten().flatten();
    let mut found: Vec<_> = folders.map(|entry| entry.path().join("bin/python")).collect();
    found.sort();
    found.reverse();
    found
}
