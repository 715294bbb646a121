//! Which account the servers run as.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use crate::error::{Doing, Result, StackError};

/// An unprivileged account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAs {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

impl RunAs {
    /// `None` for an ordinary user; for root the account that servers are given instead, because
    /// PostgreSQL refuses root and the others need none of its rights.
    pub fn unprivileged() -> Result<Option<Self>> {
        if !is_root() {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").doing(|| "read /etc/passwd".into())?;
        let found = ["postgres", "nobody"].iter().find_map(|name| lookup(&passwd, name));
        found.map(Some).ok_or_else(|| StackError::Missing {
            tool: "an unprivileged account",
            remedy: "add one: `adduser --system postgres`".into(),
        })
    }

    /// Gives a file or folder to this account.
    pub fn own(&self, path: &Path) -> Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
            .doing(|| format!("give {} to {}", path.display(), self.name))
    }
}

/// True when this process runs as root.
#[must_use]
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn lookup(passwd: &str, name: &str) -> Option<RunAs> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields.as_slice() {
            [login, _, uid, gid, ..] if *login == name => Some(RunAs {
                name: name.to_owned(),
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
            }),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let passwd = "nobody2:x:7:7::/:\nnobody:x:65534:65533:nobody:/:/bin/false\n";
        let found = lookup(passwd, "nobody").unwrap();
        assert_eq!((found.uid, found.gid), (65_534, 65_533));
        assert_eq!(lookup(passwd, "postgres"), None);
    }
}
