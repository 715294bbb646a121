use std::time::Duration;

use serde::{Deserialize, Serialize};
use yard_runtime::ConfigError;

/// The HTTP API that apps' servers call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    /// Connections that make calls, at the same time.
    pub max_connections: usize,
    /// Calls of one app at the same time.
    pub calls_per_app: usize,
    /// Events and calls of one app a second.
    pub per_second: u32,
    /// Largest body of a call, KiB.
    pub max_body_kib: usize,
    /// Largest body of a batch, KiB.
    pub max_batch_kib: usize,
    /// Channels that are listed by one call.
    pub max_listed_channels: usize,
    /// How long a body may take to come.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// How long the broker and Redis may take for what is published.
    #[serde(with = "humantime_serde")]
    pub patience: Duration,
    /// How long a cache channel keeps its event.
    #[serde(with = "humantime_serde")]
    pub cache_ttl: Duration,
}

impl ApiConfig {
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        for (option, value, least, most) in [
            ("api.max_connections", self.max_connections, 1, 100_000),
            ("api.calls_per_app", self.calls_per_app, 1, 100_000),
            // A whole batch has to be affordable.
            ("api.per_second", usize::try_from(self.per_second).unwrap_or(0), 10, 1_000_000),
            ("api.max_body_kib", self.max_body_kib, 1, 4_096),
            ("api.max_batch_kib", self.max_batch_kib, 1, 4_096),
            ("api.max_listed_channels", self.max_listed_channels, 1, 100_000),
        ] {
            if !(least..=most).contains(&value) {
                return Err(ConfigError::new(option, format!("has to be {least} to {most}")));
            }
        }
        for (option, value, least, most) in [
            ("api.body_timeout", self.body_timeout, 1_000, 120_000),
            ("api.patience", self.patience, 10, 10_000),
            ("api.cache_ttl", self.cache_ttl, 1_000, 86_400_000),
        ] {
            if !(least..=most).contains(&value.as_millis()) {
                let rule = format!("has to be {least} ms to {most} ms");
                return Err(ConfigError::new(option, rule));
            }
        }
        Ok(())
    }
}
