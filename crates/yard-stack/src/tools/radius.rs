//! FreeRADIUS 3.2 with `rlm_rest`, and `radclient`: Debian's packages.

use std::fs;
use std::path::{Path, PathBuf};

use super::apt::{self, Package};
use super::search::on_path;
use super::{exclusive, found};
use crate::error::{Doing, Result};

/// Where Debian puts the server's modules, below `/usr/lib`.
const MODULES: &str = "/usr/lib/freeradius";
const REST: &str = "rlm_rest.so";

/// Where FreeRADIUS is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RadiusPrograms {
    /// The server.
    pub server: PathBuf,
    /// `radclient`, which asks as a NAS does.
    pub client: PathBuf,
    /// The folder with the server's modules.
    pub modules: PathBuf,
}

impl RadiusPrograms {
    /// Finds them, or installs the packages when this is root; the service that they bring is not
    /// started. Safe to call from many processes.
    pub fn find_or_install(cache: &Path, progress: &mut dyn FnMut(&str)) -> Result<Self> {
        fs::create_dir_all(cache).doing(|| format!("create {}", cache.display()))?;
        let _one_at_a_time = exclusive(&cache.join("install.lock"))?;
        apt::provide(&missing(), progress)?;
        Ok(Self {
            server: found(server(), "freeradius")?,
            client: found(on_path("radclient"), "radclient")?,
            modules: found(modules(), "freeradius-rest")?,
        })
    }
}

fn missing() -> Vec<Package> {
    let parts = [
        (server().is_some(), "freeradius"),
        (modules().is_some(), "freeradius-rest"),
        (on_path("radclient").is_some(), "freeradius-utils"),
    ];
    parts.into_iter().filter(|(there, _)| !there).map(|(_, name)| Package(name)).collect()
}

/// Debian's name for it is not everybody's, and it lies where not every account looks.
fn server() -> Option<PathBuf> {
    let usual = PathBuf::from("/usr/sbin/freeradius");
    on_path("freeradius").or_else(|| usual.is_file().then_some(usual))
}

fn modules() -> Option<PathBuf> {
    let folder = PathBuf::from(MODULES);
    folder.join(REST).is_file().then_some(folder)
}
