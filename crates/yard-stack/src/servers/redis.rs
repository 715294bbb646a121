//! Redis: one node, password, append-only file.

use super::{ServerHome, private_file};
use crate::error::Result;
use crate::ports::PortLease;
use crate::process::{Process, ProcessSpec, Ready};
use crate::random;
use crate::tools::Tools;

/// A running Redis.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: PortLease,
    password: String,
}

impl Redis {
    /// Starts Redis below `home`.
    pub fn start(tools: &Tools, home: &ServerHome) -> Result<Self> {
        let dir = home.folder("redis")?;
        let port = PortLease::any()?;
        let password = random::hex(16)?;
        let config = format!(
            "bind 127.0.0.1\nport {}\ndir {}\nrequirepass {password}\nsave \"\"\n\
             appendonly yes\nappendfsync everysec\ndatabases 256\n",
            port.port(),
            dir.display()
        );
        let file = dir.join("redis.conf");
        private_file(home, &file, &config)?;
        let ready = Ready::Redis(port.addr(), password.clone());
        let mut spec = ProcessSpec::new("redis", &tools.redis_server, &dir, ready)
            .args([file.into_os_string()]);
        spec.run_as = home.run_as().cloned();
        Ok(Self { process: Process::start(spec)?, port, password })
    }

    /// The connection string for one of the 256 numbered databases.
    #[must_use]
    pub fn url(&self, database: u16) -> String {
        format!("redis://default:{}@{}/{database}", self.password, self.port.addr())
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
