//! PostgreSQL: one cluster, superuser `yard_admin`, passwords over TCP.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::admin::{ADMIN, PostgresAdmin};
use super::{Durability, ServerHome, ServerTls, private_file};
use crate::error::{Doing, Result, StackError};
use crate::ports::PortLease;
use crate::process::{Process, ProcessSpec, Ready, Signal};
use crate::random;
use crate::tools::Tools;

// The kernel refuses longer socket paths than 107 bytes; `.s.PGSQL.NNNNN` is added to the folder.
const LONGEST_SOCKET_DIR: usize = 90;

/// A running PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    port: PortLease,
    admin: PostgresAdmin,
}

impl Postgres {
    /// Creates a cluster below `home` and starts it. Over TCP a password is needed; the local
    /// socket is trusted but lies in a folder that only the servers' account can enter.
    pub fn start(tools: &Tools, home: &ServerHome, durability: Durability) -> Result<Self> {
        let dir = home.folder("postgres")?;
        let data = dir.join("data");
        let socket = home.folder("postgres/socket")?;
        let password_file = dir.join("password");
        let password = if data.join("PG_VERSION").is_file() {
            fs::read_to_string(&password_file).doing(|| "read the kept password".into())?
        } else {
            let fresh = random::hex(16)?;
            private_file(home, &password_file, &fresh)?;
            init(tools, home, &dir, &password_file)?;
            fresh
        };
        let port = PortLease::any()?;
        let config = settings(&port, &socket, durability);
        private_file(home, &data.join("postgresql.auto.conf"), &config)?;
        let ready = ready_probe(&tools.postgres_bin, port.port());
        let program = tools.postgres_bin.join("postgres");
        let mut spec = ProcessSpec::new("postgres", &program, &dir, ready)
            .args(["-D".into(), data.into_os_string()]);
        spec.run_as = home.run_as().cloned();
        // "Fast" shutdown: does not wait for clients to go.
        spec.stop_signal = Signal::Interrupt;
        let process = Process::start(spec)?;
        let admin = PostgresAdmin::new(tools, port.port(), password);
        Ok(Self { process, port, admin })
    }

    /// Has it speak TLS with whoever asks for it, from the next connection on.
    pub fn encrypt(&self, home: &ServerHome, tls: &ServerTls) -> Result<()> {
        let (certificate, key) = tls.write(home, &home.folder("postgres")?)?;
        let settings = [
            format!("alter system set ssl_cert_file = '{}'", certificate.display()),
            format!("alter system set ssl_key_file = '{}'", key.display()),
            "alter system set ssl = on".to_owned(),
            "select pg_reload_conf()".to_owned(),
        ];
        for setting in settings {
            self.admin.sql("postgres", &setting)?;
        }
        Ok(())
    }

    /// The superuser's access.
    #[must_use]
    pub fn admin(&self) -> &PostgresAdmin {
        &self.admin
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.port()
    }

    /// The server's process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn init(tools: &Tools, home: &ServerHome, dir: &Path, password_file: &Path) -> Result<()> {
    let output = as_account(home, &tools.postgres_bin.join("initdb"))
        .args(["--username", ADMIN, "--auth-host=scram-sha-256", "--auth-local=trust"])
        .args(["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--pgdata"])
        .arg(dir.join("data"))
        .arg("--pwfile")
        .arg(password_file)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .doing(|| "run initdb".into())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(StackError::Command { command: "initdb".into(), output: text })
}

/// A program of PostgreSQL that runs as the account that owns the data.
pub(super) fn as_account(home: &ServerHome, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if let Some(user) = home.run_as() {
        command.arg(format!("--reuid={}", user.uid)).arg(format!("--regid={}", user.gid));
        command.arg("--clear-groups");
    }
    command.arg("--").arg(program);
    command
}

fn settings(port: &PortLease, socket: &Path, durability: Durability) -> String {
    let socket = socket.display().to_string();
    let socket = if socket.len() > LONGEST_SOCKET_DIR { String::new() } else { socket };
    let flush = match durability {
        // Commits stay synchronous: a killed *process* must lose nothing. No autovacuum, because
        // its workers would sit in the template database while a test copies it.
        // A replica asks again for its log five times a second, not once in five, and finds what it
        // missed while it was cut off. Little log, for its home may be in memory.
        Durability::Throwaway => {
            "fsync = off\nfull_page_writes = off\nautovacuum = off\n\
             wal_retrieve_retry_interval = '200ms'\nwal_keep_size = '64MB'\n\
             max_wal_size = '256MB'\n"
        }
        Durability::Kept => "fsync = on\nsynchronous_commit = on\nmax_wal_size = '2GB'\n",
    };
    format!(
        "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{socket}'\n\
         max_connections = 200\npassword_encryption = 'scram-sha-256'\ntimezone = 'UTC'\n\
         log_timezone = 'UTC'\nlog_line_prefix = '%m [%p] %q%u@%d '\n{flush}",
        port.port()
    )
}

pub(super) fn ready_probe(bin: &Path, port: u16) -> Ready {
    let program: PathBuf = bin.join("pg_isready");
    let args = ["-q", "-h", "127.0.0.1", "-p"].map(str::to_owned).into_iter();
    Ready::Command(program, args.chain([port.to_string()]).collect())
}
