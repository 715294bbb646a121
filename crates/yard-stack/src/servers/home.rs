//! The folder below which servers keep their data, and the account that owns it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::memory::folder_for_tests;
use crate::error::{Doing, Result, StackError, best_effort};
use crate::process::RunAs;
use crate::random;

/// A private folder for servers' data.
#[derive(Debug)]
pub struct ServerHome {
    dir: PathBuf,
    run_as: Option<RunAs>,
    janitor: Option<Janitor>,
}

impl ServerHome {
    /// A folder that stays after the run. It is `wanted`, unless the account that servers run as
    /// cannot get there (a checkout below root's home): then one below the temporary folder.
    pub fn kept(wanted: &Path) -> Result<Self> {
        Self::open(wanted)
    }

    /// A fresh folder below the temporary folder that is removed when this value is dropped, or
    /// soon after this process has died without dropping it.
    pub fn throwaway() -> Result<Self> {
        Self::throwaway_below(&std::env::temp_dir())
    }

    /// The same for servers of tests: in memory where there is room. Not for benchmarks, whose
    /// figures are to be a disk's.
    pub fn for_tests() -> Result<Self> {
        Self::throwaway_below(&folder_for_tests())
    }

    fn throwaway_below(parent: &Path) -> Result<Self> {
        let mut home = Self::open(&parent.join(format!("switchyard-{}", random::hex(6)?)))?;
        home.janitor = Some(Janitor::watch(&home.dir)?);
        Ok(home)
    }

    /// Where the data is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The account that servers run as; `None` means ours.
    #[must_use]
    pub fn run_as(&self) -> Option<&RunAs> {
        self.run_as.as_ref()
    }

    /// Makes a folder below this one that only the servers' account can enter.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir.join(name);
        private_dir(&path)?;
        self.own(&path)?;
        Ok(path)
    }

    /// Writes a file that only the servers' account can read.
    pub fn write(&self, path: &Path, content: &[u8]) -> Result<()> {
        OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| file.write_all(content))
            .doing(|| format!("write {}", path.display()))?;
        self.own(path)
    }

    /// A program that the servers' account can run: `program`, or a copy when that is out of reach.
    pub fn reachable_program(&self, program: &Path) -> Result<PathBuf> {
        if self.run_as.is_none() || others_can_reach(program) {
            return Ok(program.to_owned());
        }
        let copy = self.dir.join(program.file_name().unwrap_or_default());
        fs::copy(program, &copy).doing(|| format!("copy {}", program.display()))?;
        self.own(&copy)?;
        Ok(copy)
    }

    /// A folder of programs and libraries that the servers' account can read: `folder`, or a copy
    /// when that is out of reach.
    pub fn reachable_folder(&self, folder: &Path) -> Result<PathBuf> {
        if self.run_as.is_none() || others_can_reach(folder) {
            return Ok(folder.to_owned());
        }
        let copy = self.dir.join(folder.file_name().unwrap_or_default());
        let output = Command::new("cp")
            .arg("--recursive")
            .arg("--no-dereference")
            .arg("--preserve=mode")
            .arg(folder)
            .arg(&copy)
            .stdin(Stdio::null())
            .output()
            .doing(|| "run cp".into())?;
        if output.status.success() {
            return Ok(copy);
        }
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(StackError::Command { command: format!("cp {}", folder.display()), output: text })
    }

    fn open(wanted: &Path) -> Result<Self> {
        let run_as = RunAs::unprivileged()?;
        let parent = wanted.parent().unwrap_or(wanted);
        let dir = if run_as.is_none() || others_can_reach(parent) {
            wanted.to_owned()
        } else {
            std::env::temp_dir().join(format!("switchyard-{}", random::hex(6)?))
        };
        private_dir(&dir)?;
        let home = Self { dir, run_as, janitor: None };
        home.own(&home.dir)?;
        Ok(home)
    }

    fn own(&self, path: &Path) -> Result<()> {
        self.run_as.as_ref().map_or(Ok(()), |user| user.own(path))
    }
}

impl Drop for ServerHome {
    fn drop(&mut self) {
        if let Some(janitor) = self.janitor.take() {
            best_effort(fs::remove_dir_all(&self.dir));
            janitor.dismiss();
        }
    }
}

/// A tiny process that outlives us and removes the folder. It waits on a pipe whose other end only
/// we hold, so even `kill -9` of this process (and statics, which are never dropped) is noticed.
#[derive(Debug)]
struct Janitor(Child);

impl Janitor {
    fn watch(dir: &Path) -> Result<Self> {
        // The pause lets servers die first: the kernel kills them at the same moment.
        let script = "cat >/dev/null; [ -d \"$1\" ] && sleep 1 && rm -rf \"$1\"";
        Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of reach of the terminal's Ctrl-C.
            .process_group(0)
            .spawn()
            .map(Self)
            .doing(|| "start the folder's janitor".into())
    }

    fn dismiss(mut self) {
        drop(self.0.stdin.take());
        best_effort(self.0.wait());
    }
}

fn private_dir(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .doing(|| format!("create {}", path.display()))
}

/// True when every folder on the way, and the target itself, is open to all accounts.
fn others_can_reach(path: &Path) -> bool {
    path.ancestors()
        .filter(|part| !part.as_os_str().is_empty())
        .all(|part| fs::metadata(part).is_ok_and(|data| data.permissions().mode() & 0o001 != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throwaway_home_is_private_and_goes_away() {
        let home = ServerHome::throwaway().unwrap();
        let dir = home.dir().to_owned();
        let mode = fs::metadata(&dir).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        home.write(&dir.join("secret"), b"x").unwrap();
        drop(home);
        assert!(!dir.exists());
    }

    #[test]
    fn a_program_behind_a_closed_folder_is_copied_for_another_account() {
        let home = ServerHome::throwaway().unwrap();
        let closed = home.folder("closed").unwrap();
        fs::copy("/bin/true", closed.join("tool")).unwrap();
        let usable = home.reachable_program(&closed.join("tool")).unwrap();
        assert_eq!(usable != closed.join("tool"), home.run_as().is_some());
        assert!(usable.is_file());
    }
}
