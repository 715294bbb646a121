//! Debian packages, installed without starting the services they bring.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Doing, Result, StackError, best_effort};
use crate::process::is_root;

const POLICY: &str = "/usr/sbin/policy-rc.d";

/// A Debian package, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package(pub &'static str);

/// Installs the packages; does nothing when there are none. Needs root.
pub(super) fn provide(packages: &[Package], progress: &mut dyn FnMut(&str)) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = packages.iter().map(|package| package.0).collect();
    if !is_root() {
        return Err(StackError::Missing {
            tool: "a Debian package",
            remedy: format!(
                "type: sudo apt-get update && sudo apt-get install -y --no-install-recommends {}",
                names.join(" ")
            ),
        });
    }
    progress(&format!("installing {} (Debian packages; about a minute)", names.join(", ")));
    let _no_autostart = Policy::forbid_autostart()?;
    apt_get(&["update", "-q"])?;
    let mut install = vec!["install", "-y", "-q", "--no-install-recommends"];
    install.extend(&names);
    apt_get(&install)
}

fn apt_get(args: &[&str]) -> Result<()> {
    apt_get_in(Path::new("/"), args)
}

/// Runs apt-get in a folder, which is where it downloads to.
pub(super) fn apt_get_in(folder: &Path, args: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(args)
        .current_dir(folder)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .doing(|| "run apt-get".into())?;
    if output.status.success() {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(StackError::Command { command: format!("apt-get {}", args.join(" ")), output: text })
}

/// Where this machine has its Debian packages from.
pub(super) fn debian_mirror() -> Result<String> {
    let output = Command::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(ORIGIN) $(LABEL) $(REPO_URI)",
            "Created-By: Packages",
        ])
        .stdin(Stdio::null())
        .output()
        .doing(|| "run apt-get".into())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mirror = text.lines().find_map(|line| line.strip_prefix("Debian Debian "));
    mirror.map(str::to_owned).ok_or_else(|| StackError::Missing {
        tool: "a mirror of Debian",
        remedy: "apt-get knows of none: type apt-get update".to_owned(),
    })
}

/// Debian asks this file whether a freshly installed service may start. Ours says no and goes away
/// again; one that is already there is the machine owner's word and stays.
struct Policy {
    ours: bool,
}

impl Policy {
    fn forbid_autostart() -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        fs::write(POLICY, "#!/bin/sh\nexit 101\n").doing(|| format!("write {POLICY}"))?;
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))
            .doing(|| format!("make {POLICY} executable"))?;
        Ok(Self { ours: true })
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        if self.ours {
            best_effort(fs::remove_file(POLICY));
        }
    }
}
