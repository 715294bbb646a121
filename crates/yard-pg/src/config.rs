use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use yard_runtime::{ConfigError, Secret};

/// Section `[postgres]` of a service.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfig {
    /// `postgres://role:password@host:port/database`; or leave it empty and give `url_file`.
    pub url: Secret,
    /// A file that holds the URL.
    pub url_file: PathBuf,
    /// Connections at most.
    pub max_connections: u32,
    /// How long a request waits for a connection before it is answered 503.
    #[serde(with = "humantime_serde")]
    pub acquire_timeout: Duration,
    /// Statements longer than this are cancelled by the server.
    #[serde(with = "humantime_serde")]
    pub statement_timeout: Duration,
}

impl PostgresConfig {
    /// For tests: a URL and small limits.
    #[must_use]
    pub fn for_test(url: &str) -> Self {
        Self {
            url: Secret::new(url.to_owned()),
            url_file: PathBuf::new(),
            max_connections: 5,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(20),
        }
    }

    /// The URL, from whichever of the two options has it.
    ///
    /// # Errors
    /// When neither or both are given, or the file cannot be read.
    pub fn resolve_url(&self) -> Result<Secret, ConfigError> {
        match (self.url.is_empty(), self.url_file.as_os_str().is_empty()) {
            (false, true) => Ok(self.url.clone()),
            (true, false) => Secret::from_file("postgres.url_file", &self.url_file),
            (true, true) => Err(ConfigError::new("postgres.url", "give it, or postgres.url_file")),
            (false, false) => {
                Err(ConfigError::new("postgres.url", "give it or postgres.url_file, not both"))
            }
        }
    }

    /// Checks values that the types cannot.
    ///
    /// # Errors
    /// The first option that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.resolve_url()?;
        if !(1..=200).contains(&self.max_connections) {
            return Err(ConfigError::new("postgres.max_connections", "has to be 1 to 200"));
        }
        Ok(())
    }
}
