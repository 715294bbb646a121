//! Free loopback ports that stay ours across the processes of one machine.
//!
//! A port that is merely free when looked at can be taken by a neighbour before the server binds it,
//! and test runners start many processes at once. So each port is also a locked file in a shared
//! folder: the lock goes when the holder drops it or dies.

use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::error::{Doing, Result, StackError, best_effort};
use crate::random;

// Below the ephemeral range (32768 and up), so that no outgoing connection takes the port between a
// server's kill and its restart.
const FIRST: u32 = 20_000;
const LAST: u32 = 32_000;
const TRIES: u32 = 400;

/// A port on 127.0.0.1 that no other holder on this machine uses while this value lives.
#[derive(Debug)]
pub struct PortLease {
    port: u16,
    _lock: File,
}

impl PortLease {
    /// Takes any free port.
    pub fn any() -> Result<Self> {
        for _ in 0..TRIES {
            let candidate = FIRST + random::below(LAST - FIRST)?;
            let port = u16::try_from(candidate).expect("the range lies within u16");
            if let Some(lease) = Self::take(port)? {
                return Ok(lease);
            }
        }
        Err(StackError::NoFreePort)
    }

    /// Takes the port `wanted` when it is free, any other one when it is not.
    pub fn prefer(wanted: u16) -> Result<Self> {
        match Self::take(wanted)? {
            Some(lease) => Ok(lease),
            None => Self::any(),
        }
    }

    /// The port number.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port with the loopback address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    fn take(port: u16) -> Result<Option<Self>> {
        let folder = lock_folder()?;
        let path = folder.join(format!("{port}.lock"));
        // A file of another user is that user's port: go on to the next candidate.
        let Ok(lock) = OpenOptions::new().create(true).truncate(false).write(true).open(path)
        else {
            return Ok(None);
        };
        if lock.try_lock().is_err() {
            return Ok(None);
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        Ok(free.then_some(Self { port, _lock: lock }))
    }
}

fn lock_folder() -> Result<PathBuf> {
    let folder = std::env::temp_dir().join("switchyard-ports");
    if !folder.is_dir() {
        fs::create_dir_all(&folder).doing(|| format!("create {}", folder.display()))?;
        // Shared by all users, like the temporary folder it stands in.
        best_effort(fs::set_permissions(&folder, fs::Permissions::from_mode(0o1777)));
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn leases_held_together_never_share_a_port() {
        let leases: Vec<_> = (0..50).map(|_| PortLease::any().unwrap()).collect();
        let distinct: HashSet<_> = leases.iter().map(PortLease::port).collect();
        assert_eq!(distinct.len(), leases.len());
        assert!(leases.iter().all(|lease| lease.port() < 32_768));
    }

    #[test]
    fn a_wanted_port_that_is_bound_gives_another_one() {
        let held = PortLease::any().unwrap();
        let other = PortLease::prefer(held.port()).unwrap();
        assert_ne!(other.port(), held.port());
    }
}
