//! NATS with JetStream: one node, user and password, monitoring on loopback.

use std::net::SocketAddr;

use super::{ServerHome, ServerTls, private_file};
use crate::error::Result;
use crate::ports::PortLease;
use crate::process::{Process, ProcessSpec, Ready, Signal};
use crate::random;
use crate::tools::Tools;

const USER: &str = "yard";

/// A running NATS server.
#[derive(Debug)]
pub struct Nats {
    process: Process,
    port: PortLease,
    monitor: PortLease,
    password: String,
}

impl Nats {
    /// Starts a server named `name` in a folder of that name below `home`.
    pub fn start(tools: &Tools, home: &ServerHome, name: &str) -> Result<Self> {
        Self::launch(tools, home, name, None)
    }

    /// The same, for clients that speak TLS and no others.
    pub fn start_encrypted(
        tools: &Tools,
        home: &ServerHome,
        name: &str,
        tls: &ServerTls,
    ) -> Result<Self> {
        Self::launch(tools, home, name, Some(tls))
    }

    fn launch(
        tools: &Tools,
        home: &ServerHome,
        name: &str,
        tls: Option<&ServerTls>,
    ) -> Result<Self> {
        let dir = home.folder(name)?;
        let (port, monitor) = (PortLease::any()?, PortLease::any()?);
        let password = random::hex(16)?;
        let mut config = format!(
            "listen: \"{}\"\nhttp: \"{}\"\nserver_name: \"{name}\"\nmax_payload: 1MB\n\
             authorization {{ user: \"{USER}\", password: \"{password}\" }}\n\
             jetstream {{ store_dir: \"{}\", max_memory_store: 256MB, max_file_store: 8GB }}\n",
            port.addr(),
            monitor.addr(),
            dir.join("store").display()
        );
        if let Some(tls) = tls {
            let (certificate, key) = tls.write(home, &dir)?;
            let (certificate, key) = (certificate.display(), key.display());
            config += &format!("tls {{ cert_file: \"{certificate}\", key_file: \"{key}\" }}\n");
        }
        let file = dir.join("nats.conf");
        private_file(home, &file, &config)?;
        let program = home.reachable_program(&tools.nats_server)?;
        // Answers 200 only once JetStream has recovered its streams.
        let ready = Ready::Http(monitor.addr(), "/healthz".into());
        let mut spec = ProcessSpec::new(name, &program, &dir, ready)
            .args(["-c".into(), file.into_os_string()]);
        spec.run_as = home.run_as().cloned();
        // SIGTERM makes it wait for clients in lame-duck mode; SIGINT ends it at once, in order.
        spec.stop_signal = Signal::Interrupt;
        Ok(Self { process: Process::start(spec)?, port, monitor, password })
    }

    /// The connection string, with user and password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{USER}:{}@{}", self.password, self.port.addr())
    }

    /// The port for clients on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.port()
    }

    /// Where `/healthz`, `/varz` and `/jsz` answer.
    #[must_use]
    pub fn monitor(&self) -> SocketAddr {
        self.monitor.addr()
    }

    /// The server's process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
