//! A streaming replica of a PostgreSQL, for tests of what reads from one.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;

use super::postgres::{as_account, ready_probe};
use super::{PostgresAdmin, ServerHome};
use crate::error::{Doing, Result, StackError};
use crate::ports::PortLease;
use crate::process::{Process, ProcessSpec, Signal};
use crate::tools::Tools;

/// A running hot standby.
#[derive(Debug)]
pub struct Replica {
    process: Process,
    admin: PostgresAdmin,
    _port: PortLease,
}

impl Replica {
    /// Copies the primary below `home` and follows it from there on.
    pub fn start(tools: &Tools, home: &ServerHome, primary: &PostgresAdmin) -> Result<Self> {
        let dir = home.folder("replica")?;
        let data = dir.join("data");
        copy(tools, home, &data, primary)?;
        let port = PortLease::any()?;
        let ready = ready_probe(&tools.postgres_bin, port.port());
        // Before the copied file's own: that one has the primary's port.
        let port_option = format!("port={}", port.port());
        let args = ["-c", &port_option, "-c", "unix_socket_directories=", "-D"].map(OsString::from);
        let args = args.into_iter().chain([data.into_os_string()]);
        let spec = ProcessSpec::new("replica", &tools.postgres_bin.join("postgres"), &dir, ready);
        let spec = spec.args(args);
        let spec =
            ProcessSpec { run_as: home.run_as().cloned(), stop_signal: Signal::Interrupt, ..spec };
        let process = Process::start(spec)?;
        Ok(Self { process, admin: primary.at(port.port()), _port: port })
    }

    /// The superuser's access; the passwords are the primary's.
    #[must_use]
    pub fn admin(&self) -> &PostgresAdmin {
        &self.admin
    }

    /// The server's process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn copy(tools: &Tools, home: &ServerHome, data: &Path, primary: &PostgresAdmin) -> Result<()> {
    let output = as_account(home, &tools.postgres_bin.join("pg_basebackup"))
        .args(["--no-sync", "--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf"])
        .arg("--pgdata")
        .arg(data)
        .envs(primary.environment())
        .current_dir(home.dir())
        .stdin(Stdio::null())
        .output()
        .doing(|| "run pg_basebackup".into())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(StackError::Command { command: "pg_basebackup".into(), output: text })
}
