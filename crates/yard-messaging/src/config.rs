use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use yard_runtime::{ConfigError, Secret};

/// Section `[nats]` of a service.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatsConfig {
    /// `nats://user:password@host:port`, several joined by commas; or give `url_file`.
    pub url: Secret,
    /// A file that holds the URL.
    pub url_file: PathBuf,
    /// Authorities of the servers' certificates, PEM, in place of the system's; empty for those.
    /// With it the servers have to speak TLS, as with `tls://` in the URL.
    #[serde(default)]
    pub ca_file: PathBuf,
    /// Copies of each stream: 1 on a single server, 3 on a cluster.
    pub replicas: usize,
}

impl NatsConfig {
    /// For tests: one server.
    #[must_use]
    pub fn for_test(url: &str) -> Self {
        let (url_file, ca_file) = (PathBuf::new(), PathBuf::new());
        Self { url: Secret::new(url.to_owned()), url_file, ca_file, replicas: 1 }
    }

    /// The URL, from whichever of the two options has it.
    ///
    /// # Errors
    /// When neither or both are given, or the file cannot be read.
    pub fn resolve_url(&self) -> Result<Secret, ConfigError> {
        match (self.url.is_empty(), self.url_file.as_os_str().is_empty()) {
            (false, true) => Ok(self.url.clone()),
            (true, false) => Secret::from_file("nats.url_file", &self.url_file),
            (true, true) => Err(ConfigError::new("nats.url", "give it, or nats.url_file")),
            (false, false) => {
                Err(ConfigError::new("nats.url", "give it or nats.url_file, not both"))
            }
        }
    }

    /// Checks values that the types cannot.
    ///
    /// # Errors
    /// The first option that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.resolve_url()?;
        if !matches!(self.replicas, 1 | 3 | 5) {
            return Err(ConfigError::new("nats.replicas", "has to be 1, 3 or 5"));
        }
        Ok(())
    }
}
