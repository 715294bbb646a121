//! Files that are written together, keys readable by their owner alone.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::failure::{Failure, Outcome};

const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// Contents by name, relative to the folder; names that end in `.key` are secret.
#[derive(Default)]
pub struct KeyFiles(Vec<(String, String)>);

impl KeyFiles {
    /// Adds one file.
    pub fn add(&mut self, name: impl Into<String>, content: impl Into<String>) {
        self.0.push((name.into(), content.into()));
    }

    /// The names, in the order they were added.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    /// A file's content.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, content)| content.as_str())
    }

    /// Writes all of them, or none when one exists and `force` is not given.
    pub fn write(&self, dir: &Path, force: bool) -> Outcome {
        fs::create_dir_all(dir).map_err(Failure::file(dir))?;
        let taken = self.0.iter().map(|(name, _)| dir.join(name)).find(|path| path.exists());
        if let (Some(path), false) = (taken, force) {
            let text = format!("{} is there already; --force replaces it", path.display());
            return Err(Failure::other(text));
        }
        for (name, content) in &self.0 {
            let mode = if name.ends_with(".key") { PRIVATE } else { PUBLIC };
            write_file(&dir.join(name), content, mode)?;
        }
        Ok(())
    }
}

/// Writes a secret: mode 0600 from the first byte on.
pub fn write_private(path: &Path, content: &str) -> Outcome {
    write_file(path, content, PRIVATE)
}

fn write_file(path: &Path, content: &str, mode: u32) -> Outcome {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Failure::file(parent))?;
    }
    // An old file would keep its old mode, so it goes first.
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(Failure::File { path: path.to_owned(), source: error });
        }
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut file = options.open(path).map_err(Failure::file(path))?;
    file.write_all(content.as_bytes()).map_err(Failure::file(path))
}
