//! FreeRADIUS as the edge of auth, by the configuration that operators get.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use yard_radius::RadiusServer;

use super::{ServerHome, private_file};
use crate::error::{Result, StackError};
use crate::ports::PortLease;
use crate::process::{Process, ProcessSpec, Ready};
use crate::random;
use crate::tools::RadiusPrograms;

/// A running RADIUS server on 127.0.0.1 that looks up NAS of all of 127.0.0.0/8.
#[derive(Debug)]
pub struct Radius {
    process: Process,
    port: PortLease,
    client: PathBuf,
    _status: PortLease,
}

impl Radius {
    /// Starts it below `home`. It asks auth at `auth`, and proves itself with `token`. NAS are told
    /// their tenant by the attributes of `vendor`, if there is one. Refusals come at once.
    pub fn start(
        tools: &RadiusPrograms,
        home: &ServerHome,
        (auth, token): (SocketAddr, &str),
        vendor: Option<u32>,
    ) -> Result<Self> {
        let dir = home.folder("radius")?;
        let (port, status) = (PortLease::any()?, PortLease::any()?);
        let status_secret = random::hex(16)?;
        let config = RadiusServer {
            folder: text(&dir)?,
            modules: text(&tools.modules)?,
            auth_url: format!("http://{auth}"),
            token: token.to_owned(),
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: port.port(),
            networks: vec!["127.0.0.0/8".to_owned()],
            client_lifetime: 1,
            reject_delay: 0,
            status_port: status.port(),
            status_secret: status_secret.clone(),
            vendor,
        };
        let files = config.files().map_err(|wrong| unusable(&wrong.to_string()))?;
        for (name, content) in files {
            private_file(home, &dir.join(name), &content)?;
        }
        let asking = ["-q", "-r", "1", "-t", "1", "-f"].map(str::to_owned);
        let asked = [text(&dir.join("status.request"))?, status.addr().to_string()];
        let asked = asked.into_iter().chain(["status".to_owned(), status_secret]);
        let args = asking.into_iter().chain(asked).collect();
        let ready = Ready::Command(tools.client.clone(), args);
        let mut spec = ProcessSpec::new("radius", &tools.server, &dir, ready).args([
            "-d",
            &text(&dir)?,
            "-n",
            "radiusd",
            "-f",
            "-l",
            "stdout",
        ]);
        spec.run_as = home.run_as().cloned();
        let process = Process::start(spec)?;
        Ok(Self { process, port, client: tools.client.clone(), _status: status })
    }

    /// Where NAS ask.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// `radclient`, which asks as a NAS does.
    #[must_use]
    pub fn client(&self) -> &Path {
        &self.client
    }

    /// The server's process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn text(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| unusable("a folder's name is no text"))
}

fn unusable(problem: &str) -> StackError {
    StackError::Command { command: "configure FreeRADIUS".to_owned(), output: problem.to_owned() }
}
