//! Probes that look at a process from outside.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::http;

const CONNECT: Duration = Duration::from_millis(200);

/// What must be true for a process to count as ready.
#[derive(Debug, Clone)]
pub enum Ready {
    /// It lives; nothing more is asked.
    Alive,
    /// It accepts connections.
    Tcp(SocketAddr),
    /// `GET path` answers 200.
    Http(SocketAddr, String),
    /// Redis serves: it listens while it still reads its data. With the password.
    Redis(SocketAddr, String),
    /// The command exits 0.
    Command(PathBuf, Vec<String>),
}

impl Ready {
    pub(super) fn holds(&self) -> bool {
        match self {
            Self::Alive => true,
            Self::Tcp(addr) => TcpStream::connect_timeout(addr, CONNECT).is_ok(),
            Self::Redis(addr, password) => redis_serves(*addr, password).unwrap_or(false),
            Self::Http(addr, path) => http::get(*addr, path).is_ok_and(|a| a.status == 200),
            Self::Command(program, args) => Command::new(program)
                .args(args)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success()),
        }
    }
}

/// Asks in Redis' inline form; `-LOADING` comes while the data is being read.
fn redis_serves(addr: SocketAddr, password: &str) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&addr, CONNECT)?;
    stream.set_read_timeout(Some(CONNECT))?;
    write!(stream, "AUTH {password}\r\nPING\r\nQUIT\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.contains("+PONG"))
}

/// Memory that belongs to `pid` and its descendants. A single process: all that is resident. A
/// family (PostgreSQL's backends): each one's proportional share, so that shared pages count once.
pub(super) fn resident_kib(pid: u32) -> u64 {
    match family(pid).as_slice() {
        [one] => field(&format!("/proc/{one}/status"), "VmRSS:").unwrap_or(0),
        many => many.iter().map(|pid| share_kib(*pid)).sum(),
    }
}

fn family(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let below = children.split_whitespace().filter_map(|child| child.parse().ok());
    std::iter::once(pid).chain(below.flat_map(family)).collect()
}

/// Of `pid` and its living descendants.
pub(super) fn cpu_seconds(pid: u32) -> f64 {
    let ticks: u64 = family(pid).into_iter().map(cpu_ticks).sum();
    // Linux counts in hundredths of a second on every machine we run on.
    ticks as f64 / 100.0
}

fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before the bracket may hold blanks; user and system time are the 12th and 13th
    // field after it.
    let (_, fields) = stat.rsplit_once(')').unwrap_or_default();
    let times = fields.split_whitespace().skip(11).take(2);
    times.filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

fn share_kib(pid: u32) -> u64 {
    field(&format!("/proc/{pid}/smaps_rollup"), "Pss:").unwrap_or(0)
}

fn field(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_processor_time_grows_with_work() {
        let me = std::process::id();
        let begun = cpu_seconds(me);
        let started = std::time::Instant::now();
        while started.elapsed() < Duration::from_millis(60) {
            std::hint::spin_loop();
        }
        assert!(cpu_seconds(me) > begun);
    }

    #[test]
    fn own_memory_is_more_than_a_hundred_kib() {
        assert!(resident_kib(std::process::id()) > 100);
    }
}
