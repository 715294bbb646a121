//! Redis: one node, password, append-only file.

use super::{ServerHome, ServerTls, private_file};
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
    encrypted: Option<PortLease>,
    password: String,
}

impl Redis {
    /// Starts Redis below `home`.
    pub fn start(tools: &Tools, home: &ServerHome) -> Result<Self> {
        Self::launch(tools, home, None)
    }

    /// The same with a second port for TLS.
    pub fn start_encrypted(tools: &Tools, home: &ServerHome, tls: &ServerTls) -> Result<Self> {
        Self::launch(tools, home, Some(tls))
    }

    fn launch(tools: &Tools, home: &ServerHome, tls: Option<&ServerTls>) -> Result<Self> {
        let dir = home.folder("redis")?;
        let port = PortLease::any()?;
        let password = random::hex(16)?;
        let mut config = format!(
            "bind 127.0.0.1\nport {}\ndir {}\nrequirepass {password}\nsave \"\"\n\
             appendonly yes\nappendfsync everysec\ndatabases 256\n",
            port.port(),
            dir.display()
        );
        let encrypted = tls.map(|_tls| PortLease::any()).transpose()?;
        if let Some((tls, port)) = tls.zip(encrypted.as_ref()) {
            let (certificate, key) = tls.write(home, &dir)?;
            config += &format!(
                "tls-port {}\ntls-cert-file {}\ntls-key-file {}\ntls-auth-clients no\n",
                port.port(),
                certificate.display(),
                key.display()
            );
        }
        let file = dir.join("redis.conf");
        private_file(home, &file, &config)?;
        let ready = Ready::Redis(port.addr(), password.clone());
        let mut spec = ProcessSpec::new("redis", &tools.redis_server, &dir, ready)
            .args([file.into_os_string()]);
        spec.run_as = home.run_as().cloned();
        Ok(Self { process: Process::start(spec)?, port, encrypted, password })
    }

    /// The connection string for one of the 256 numbered databases.
    #[must_use]
    pub fn url(&self, database: u16) -> String {
        format!("redis://default:{}@{}/{database}", self.password, self.port.addr())
    }

    /// The same by TLS; `None` unless it was started with it.
    #[must_use]
    pub fn encrypted_url(&self, database: u16) -> Option<String> {
        let address = self.encrypted.as_ref()?.addr();
        Some(format!("rediss://default:{}@{address}/{database}", self.password))
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
