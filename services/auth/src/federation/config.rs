use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use yard_limits::Network;
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
    pub(crate) fn validate(&self, environment: &str) -> Result<(), ConfigError> {
        if let Some(wrong) = self.allowed_networks.iter().find(|n| Network::parse(n).is_none()) {
            let problem = format!("has {wrong:?}, which is no network like 10.1.0.0/16");
            return Err(ConfigError::new("federation.allowed_networks", problem));
        }
        if self.plain_http && environment != "development" {
            let problem = "is for runtime.environment = \"development\" alone";
            return Err(ConfigError::new("federation.plain_http", problem));
        }
        Ok(())
    }

    pub(super) fn networks(&self) -> Vec<Network> {
        self.allowed_networks.iter().filter_map(|text| Network::parse(text)).collect()
    }
}
