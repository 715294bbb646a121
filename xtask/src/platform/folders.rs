//! The private folder of a platform.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

const PARTS: [&str; 5] = ["pki", "logs", "secrets", "profiles", "fleet"];

/// `pki`, `logs`, `secrets`, `profiles` and the servers' data, locked for one run at a time.
#[derive(Debug)]
pub(crate) struct Folders {
    root: PathBuf,
    _lock: File,
}

impl Folders {
    /// Opens the folder; without `keep` everything in it is removed first.
    pub(crate) fn open(root: &Path, keep: bool) -> Result<Self> {
        fs::create_dir_all(root).with_context(|| format!("create {}", root.display()))?;
        // Servers run as another account have to get through; what is secret lies deeper.
        fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
        let lock = File::create(root.join("lock"))?;
        if lock.try_lock().is_err() {
            bail!("another run is using {}; stop it first", root.display());
        }
        let this = Self { root: root.to_owned(), _lock: lock };
        if !keep {
            for part in PARTS.iter().copied().chain(["servers"]) {
                remove(&root.join(part))?;
            }
        }
        for part in PARTS {
            DirBuilder::new().recursive(true).mode(0o700).create(root.join(part))?;
        }
        Ok(this)
    }

    pub(crate) fn pki(&self) -> PathBuf {
        self.root.join("pki")
    }

    pub(crate) fn servers(&self) -> PathBuf {
        self.root.join("servers")
    }

    pub(crate) fn log(&self, service: &str) -> PathBuf {
        self.root.join("logs").join(format!("{service}.log"))
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    pub(crate) fn secret(&self, name: &str) -> PathBuf {
        self.root.join("secrets").join(name)
    }

    pub(crate) fn profile(&self, tenant: &str, role: &str) -> PathBuf {
        self.root.join("profiles").join(format!("{tenant}-{role}.toml"))
    }

    /// Where a tenant's simulated devices keep their keys and what they were told.
    pub(crate) fn fleet(&self, tenant: &str) -> PathBuf {
        self.root.join("fleet").join(tenant)
    }

    /// Writes a secret to a file of its own that only we can read.
    pub(crate) fn write_secret(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.secret(name);
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(true).mode(0o600);
        let mut file = options.open(&path).with_context(|| format!("write {}", path.display()))?;
        file.write_all(content.as_bytes())?;
        Ok(path)
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_use_is_refused_and_a_fresh_run_forgets_the_last() {
        let base =
            std::env::temp_dir().join(format!("xtask-{}", yard_stack::random::hex(6).unwrap()));
        let folders = Folders::open(&base, false).unwrap();
        let secret = folders.write_secret("a", "b").unwrap();
        assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(Folders::open(&base, false).is_err());
        drop(folders);
        drop(Folders::open(&base, true).unwrap());
        assert!(secret.is_file());
        drop(Folders::open(&base, false).unwrap());
        assert!(!secret.exists());
        fs::remove_dir_all(&base).unwrap();
    }
}
