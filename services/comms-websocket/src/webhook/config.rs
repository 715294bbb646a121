use serde::{Deserialize, Serialize};
use yard_outbound::Guard;
use yard_runtime::ConfigError;

/// Which addresses tenants may name. The worker, which calls them, has the same options.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhooksConfig {
    /// Networks that are not public and hold webhooks' receivers.
    pub allowed_networks: Vec<String>,
    /// Takes URLs without TLS, for tests.
    pub plain_http: bool,
}

impl WebhooksConfig {
    pub(crate) fn guard(&self, environment: &str) -> Result<Guard, ConfigError> {
        Guard::of_config("webhooks", &self.allowed_networks, self.plain_http, environment)
    }
}
