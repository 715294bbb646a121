//! PgBouncer in transaction mode, before one database of a PostgreSQL.

use std::ffi::OsString;

use super::{PostgresAdmin, ServerHome, private_file};
use crate::error::Result;
use crate::ports::PortLease;
use crate::process::{Process, ProcessSpec, Ready};
use crate::tools::PoolerProgram;

/// A running pooler.
#[derive(Debug)]
pub struct Pooler {
    process: Process,
    port: PortLease,
}

impl Pooler {
    /// Starts it below `home`. Each of `roles`, all with the same password, gets `connections` to
    /// the server at most, however many clients come.
    pub fn start(
        tool: &PoolerProgram,
        home: &ServerHome,
        server: &PostgresAdmin,
        (roles, password): (&[&str], &str),
        connections: u16,
    ) -> Result<Self> {
        let dir = home.folder("pgbouncer")?;
        let (users, settings) = (dir.join("users.txt"), dir.join("pgbouncer.ini"));
        let lines: String =
            roles.iter().map(|role| format!("\"{role}\" \"{password}\"\n")).collect();
        private_file(home, &users, &lines)?;
        let port = PortLease::any()?;
        let config = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\n\
             pool_mode = transaction\ndefault_pool_size = {connections}\nmax_client_conn = 1000\n\
             max_prepared_statements = 200\n",
            server.port(),
            port.port(),
            users.display(),
        );
        private_file(home, &settings, &config)?;
        let tool = match tool {
            PoolerProgram::Private(folder) => {
                PoolerProgram::Private(home.reachable_folder(folder)?)
            }
            PoolerProgram::Installed(_) => tool.clone(),
        };
        let (program, args) = tool.command();
        let args = args.into_iter().chain([OsString::from(settings)]);
        let ready = Ready::Tcp(port.addr());
        let mut spec = ProcessSpec::new("pgbouncer", &program, &dir, ready).args(args);
        spec.run_as = home.run_as().cloned();
        Ok(Self { process: Process::start(spec)?, port })
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.port()
    }

    /// The pooler's process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
