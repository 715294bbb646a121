//! Where things are in the checkout.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command;

/// The checkout and its build folder.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Finds the checkout from the folder that `cargo xtask` was called in.
    pub(crate) fn find() -> Result<Self> {
        let here = env::current_dir().context("read the current folder")?;
        let root = here
            .ancestors()
            .find(|folder| folder.join("xtask/Cargo.toml").is_file())
            .context("call this inside a checkout of Switchyard")?
            .to_owned();
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root.join("target"), |set| root.join(set));
        Ok(Self { root, target })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn join(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Cargo's build folder.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Where downloaded servers stay between runs; git never sees it.
    pub(crate) fn tool_cache(&self) -> PathBuf {
        self.target.join("switchyard-tools")
    }

    /// A program that cargo has built.
    pub(crate) fn binary(&self, name: &str, release: bool) -> PathBuf {
        self.target.join(if release { "release" } else { "debug" }).join(name)
    }

    /// The folders of the workspace's members, relative to the root.
    pub(crate) fn members(&self) -> Result<Vec<PathBuf>> {
        let manifest: toml::Table = read(&self.join("Cargo.toml"))?.parse()?;
        let listed = manifest
            .get("workspace")
            .and_then(|workspace| workspace.get("members"))
            .and_then(toml::Value::as_array)
            .context("Cargo.toml lists no members")?;
        let mut members = Vec::new();
        for entry in listed.iter().filter_map(toml::Value::as_str) {
            match entry.strip_suffix("/*") {
                Some(folder) => members.extend(self.crates_below(folder)?),
                None => members.push(PathBuf::from(entry)),
            }
        }
        members.sort();
        Ok(members)
    }

    /// Every file that is or could be committed, relative to the root.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let list = command::new("git", &self.root)
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .read()?;
        let mut files: Vec<_> = list.lines().map(PathBuf::from).collect();
        files.retain(|file| self.root.join(file).is_file());
        files.sort();
        files.dedup();
        Ok(files)
    }

    fn crates_below(&self, folder: &str) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.join(folder)).with_context(|| format!("read {folder}"))? {
            let name = entry?.file_name();
            let path = Path::new(folder).join(name);
            if self.root.join(&path).join("Cargo.toml").is_file() {
                found.push(path);
            }
        }
        Ok(found)
    }
}

/// Reads a text file and names it when that fails.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

/// The last line of a program's output that is a JSON object.
pub(crate) fn last_json(output: &str) -> Result<Value> {
    output
        .lines()
        .rev()
        .filter(|line| line.trim_start().starts_with('{'))
        .find_map(|line| serde_json::from_str(line).ok())
        .context("the output has no line that is a JSON object")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_json_line_is_found_behind_other_lines() {
        let value = last_json("{\"a\":1}\nprogress\n{\"a\":2}\nbye").unwrap();
        assert_eq!(value, serde_json::json!({"a": 2}));
        assert!(last_json("nothing").is_err());
    }
}
