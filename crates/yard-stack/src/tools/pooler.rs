//! PgBouncer, new enough to keep prepared statements apart in transaction mode (1.21).
//!
//! Debian 12 has 1.18. Debian 13's program is fetched by apt, which checks its signatures, into a
//! private folder with the libraries it needs, and started by its own loader: nothing of the system
//! changes.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::apt;
use super::exclusive;
use super::search::on_path;
use crate::error::{Doing, Result, StackError};

const OLDEST: (u32, u32) = (1, 21);
const SUITE: &str = "trixie";
/// PgBouncer, and what it is linked with.
const PACKAGES: [&str; 15] = [
    "pgbouncer",
    "libc6",
    "libcares2",
    "libevent-2.1-7t64",
    "libpam0g",
    "libssl3t64",
    "libsystemd0",
    "libcap2",
    "libgcc-s1",
    "libzstd1",
    "zlib1g",
    "libaudit1",
    "libcap-ng0",
    "liblzma5",
    "liblz4-1",
];

/// Where PgBouncer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolerProgram {
    /// The system's own.
    Installed(PathBuf),
    /// A folder with the program, its libraries and their loader.
    Private(PathBuf),
}

impl PoolerProgram {
    /// One from the PATH if it is 1.21 or newer, else a private copy below `cache`, fetched at the
    /// first call. Safe to call from many processes.
    pub fn find_or_install(cache: &Path, progress: &mut dyn FnMut(&str)) -> Result<Self> {
        let folder = cache.join("pgbouncer");
        let private = Self::Private(folder.clone());
        let installed = on_path("pgbouncer").map(Self::Installed);
        for candidate in installed.into_iter().chain([private.clone()]) {
            if candidate.is_new_enough() {
                return Ok(candidate);
            }
        }
        fs::create_dir_all(cache).doing(|| format!("create {}", cache.display()))?;
        let _one_at_a_time = exclusive(&cache.join("pgbouncer.lock"))?;
        if !private.is_new_enough() {
            progress("fetching PgBouncer (a Debian package, into the private folder)");
            fetch(&folder)?;
        }
        if private.is_new_enough() {
            return Ok(private);
        }
        Err(StackError::NoFile { what: "PgBouncer 1.21 or newer", path: folder })
    }

    /// The program to start, and what comes before PgBouncer's own arguments.
    #[must_use]
    pub fn command(&self) -> (PathBuf, Vec<OsString>) {
        let folder = match self {
            Self::Installed(program) => return (program.clone(), Vec::new()),
            Self::Private(folder) => folder,
        };
        let libraries = folder.join("usr/lib").join(multiarch());
        let program = libraries.join(loader());
        let pgbouncer = folder.join("usr/sbin/pgbouncer");
        (program, vec!["--library-path".into(), libraries.into(), pgbouncer.into()])
    }

    fn is_new_enough(&self) -> bool {
        let (program, args) = self.command();
        let output =
            Command::new(program).args(args).arg("--version").stdin(Stdio::null()).output();
        output.ok().is_some_and(|said| {
            let text = String::from_utf8_lossy(&said.stdout).into_owned();
            parse_version(&text).is_some_and(|version| version >= OLDEST)
        })
    }
}

/// Debian's name for the folder of an architecture's libraries.
fn multiarch() -> String {
    format!("{}-linux-gnu", std::env::consts::ARCH)
}

const fn loader() -> &'static str {
    if cfg!(target_arch = "aarch64") { "ld-linux-aarch64.so.1" } else { "ld-linux-x86-64.so.2" }
}

/// `PgBouncer 1.24.1` and further lines.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let number = text.lines().next()?.strip_prefix("PgBouncer ")?;
    let mut parts = number.split('.').map(str::parse::<u32>);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// Downloads with lists and caches of its own, and unpacks below `folder`.
fn fetch(folder: &Path) -> Result<()> {
    let apt = folder.join("apt");
    for part in ["lists/partial", "cache/archives/partial", "packages"] {
        let path = apt.join(part);
        fs::create_dir_all(&path).doing(|| format!("create {}", path.display()))?;
    }
    let write = |name: &str, text: &str| {
        fs::write(apt.join(name), text).doing(|| format!("write apt's {name}"))
    };
    write("status", "")?;
    let keys = "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg";
    write("sources.list", &format!("deb [{keys}] {} {SUITE} main\n", apt::debian_mirror()?))?;
    let place = |option: &str, name: &str| format!("{option}={}", apt.join(name).display());
    let options = [
        place("Dir::Etc::sourcelist", "sources.list"),
        "Dir::Etc::sourceparts=-".to_owned(),
        place("Dir::State::lists", "lists"),
        place("Dir::Cache", "cache"),
        place("Dir::State::status", "status"),
        // It need not reach a private folder as another account.
        "APT::Sandbox::User=root".to_owned(),
    ];
    let options: Vec<&str> = options.iter().flat_map(|option| ["-o", option.as_str()]).collect();
    apt::apt_get_in(&apt, &[&options[..], &["update", "-q"]].concat())?;
    let packages = apt.join("packages");
    apt::apt_get_in(&packages, &[&options[..], &["download", "-q"], &PACKAGES[..]].concat())?;
    unpack(&packages, folder)?;
    fs::remove_dir_all(&apt).doing(|| "remove what was downloaded".into())
}

fn unpack(packages: &Path, folder: &Path) -> Result<()> {
    let listed = fs::read_dir(packages).doing(|| "list the downloaded packages".into())?;
    for package in listed.flatten() {
        let output = Command::new("dpkg-deb")
            .arg("-x")
            .arg(package.path())
            .arg(folder)
            .stdin(Stdio::null())
            .output()
            .doing(|| "run dpkg-deb".into())?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(StackError::Command { command: "dpkg-deb -x".into(), output: text });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_read_and_compared_by_number() {
        let said = "PgBouncer 1.24.1\nlibevent 2.1.13-stable\n";
        assert_eq!(parse_version(said), Some((1, 24)));
        assert!(parse_version("PgBouncer 1.18.0\n").unwrap() < OLDEST);
        assert!(parse_version("PgBouncer 1.9.0\n").unwrap() < OLDEST);
        assert_eq!(parse_version("pgpool 4.3\n"), None);
    }
}
