use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use yard_outbound::Guard;
use yard_runtime::ConfigError;

/// Sign-in by tenants' identity providers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederationConfig {
    /// Networks that are not public and hold identity providers.
    pub allowed_networks: Vec<String>,
    /// Certificates to trust beside the system's, PEM; empty for none.
    pub ca_file: PathBuf,
    /// Asks them without TLS, for tests.
    pub plain_http: bool,
}

impl FederationConfig {
    /// Whom it lets us ask.
    ///
    /// # Errors
    /// Names the option that cannot hold.
    pub(crate) fn guard(&self, environment: &str) -> Result<Guard, ConfigError> {
        Guard::of_config("federation", &self.allowed_networks, self.plain_http, environment)
    }
}
