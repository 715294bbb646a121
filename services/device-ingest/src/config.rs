use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use yard_authn::IdentityConfig;
use yard_messaging::NatsConfig;
use yard_pg::PostgresConfig;
use yard_runtime::{ConfigError, RuntimeConfig, ServiceConfig};

/// The documented defaults, as TOML.
pub const DEFAULT_CONFIG: &str = include_str!("../config/default.toml");

/// Everything device-ingest can be told; `config/default.toml` explains each option.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[runtime]`
    pub runtime: RuntimeConfig,
    /// `[grpc]`
    pub grpc: ListenConfig,
    /// `[postgres]`
    pub postgres: PostgresConfig,
    /// `[nats]`
    pub nats: NatsConfig,
    /// `[identity]`
    pub identity: IdentityConfig,
    /// `[auth]`
    pub auth: AuthConfig,
    /// `[mqtt]`
    pub mqtt: MqttConfig,
    /// `[telemetry]`
    pub telemetry: TelemetryConfig,
    /// `[commands]`
    pub commands: CommandsConfig,
    /// `[presence]`
    pub presence: PresenceConfig,
}

/// A listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenConfig {
    /// Address and port; port 0 takes any.
    pub listen: SocketAddr,
}

/// Where auth is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// gRPC endpoint as URL.
    pub endpoint: String,
}

/// The broker and our session on it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MqttConfig {
    /// As the broker's certificate names it.
    pub host: String,
    /// TLS port.
    pub port: u16,
    /// Common name of our certificate.
    pub client_id: String,
    /// What the broker's certificate is checked against, PEM.
    pub ca_file: PathBuf,
    /// Our certificate, PEM.
    pub cert_file: PathBuf,
    /// Its key, PKCS#8 PEM.
    pub key_file: PathBuf,
    /// Shared subscription group.
    pub share_group: String,
    /// Unacknowledged messages at most.
    pub receive_maximum: u16,
    /// Whether the broker runs our plugin.
    pub broker_plugin: bool,
    /// How long the broker keeps our session while we are away.
    #[serde(with = "humantime_serde")]
    pub session_expiry: Duration,
}

/// The telemetry pipeline.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    /// How long a message waits for the registry.
    #[serde(with = "humantime_serde")]
    pub lookup_patience: Duration,
}

/// Commands.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandsConfig {
    /// Between two looks at the deadlines.
    #[serde(with = "humantime_serde")]
    pub sweep_interval: Duration,
    /// How long a PUBACK may take.
    #[serde(with = "humantime_serde")]
    pub puback_timeout: Duration,
    /// A dispatched command younger than this is not sent again.
    #[serde(with = "humantime_serde")]
    pub resend_after: Duration,
}

/// Presence.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresenceConfig {
    /// Two of these in silence make a device stale.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// Between two writes of what was heard.
    #[serde(with = "humantime_serde")]
    pub flush_interval: Duration,
}

impl MqttConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        if self.host.is_empty() || self.port == 0 {
            return Err(ConfigError::new("mqtt.host", "host and port have to be given"));
        }
        let plain = |text: &str| {
            let fits = !text.is_empty() && text.len() <= 128;
            fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        if !plain(&self.client_id) {
            return Err(ConfigError::new("mqtt.client_id", "letters, digits, - _ . only"));
        }
        if !plain(&self.share_group) {
            return Err(ConfigError::new("mqtt.share_group", "letters, digits, - _ . only"));
        }
        if self.receive_maximum < 16 {
            return Err(ConfigError::new("mqtt.receive_maximum", "has to be 16 to 65535"));
        }
        // Shorter, and a restart would lose what the broker kept meanwhile.
        if self.session_expiry < Duration::from_secs(60) {
            return Err(ConfigError::new("mqtt.session_expiry", "at least 1 min"));
        }
        Ok(())
    }
}

/// Checks an interval that a task sleeps for.
fn interval(option: &str, value: Duration, most: Duration) -> Result<(), ConfigError> {
    if value < Duration::from_millis(10) || value > most {
        let text = format!("has to be 10 ms to {} s", most.as_secs());
        return Err(ConfigError::new(option, text));
    }
    Ok(())
}

impl ServiceConfig for Config {
    fn runtime(&self) -> &RuntimeConfig {
        &self.runtime
    }

    fn validate(&self) -> Result<(), ConfigError> {
        const MINUTE: Duration = Duration::from_secs(60);
        self.postgres.validate()?;
        self.nats.validate()?;
        self.mqtt.validate()?;
        interval("telemetry.lookup_patience", self.telemetry.lookup_patience, MINUTE)?;
        interval("commands.sweep_interval", self.commands.sweep_interval, MINUTE)?;
        interval("commands.puback_timeout", self.commands.puback_timeout, MINUTE)?;
        interval("commands.resend_after", self.commands.resend_after, MINUTE)?;
        interval("presence.lease", self.presence.lease, Duration::from_secs(86_400))?;
        interval("presence.flush_interval", self.presence.flush_interval, MINUTE)?;
        // Else a device that sends would look silent.
        if self.presence.flush_interval > self.presence.lease {
            let text = "has to be at most presence.lease";
            return Err(ConfigError::new("presence.flush_interval", text));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use yard_runtime::config::load;

    use super::*;

    fn refused(text: &str) -> String {
        load::<Config>("device-ingest", text, None).unwrap_err().to_string()
    }

    fn complete() -> String {
        DEFAULT_CONFIG.replace("url = \"\"", "url = \"nats://127.0.0.1:1\"")
    }

    #[test]
    fn defaults_with_the_two_urls_are_usable() {
        load::<Config>("device-ingest", &complete(), None).unwrap();
    }

    #[test]
    fn missing_and_wrong_options_are_named_in_one_line() {
        for (text, option) in [
            (DEFAULT_CONFIG.to_owned(), "postgres.url"),
            (complete().replace("\"24h\"", "\"1s\""), "mqtt.session_expiry"),
            (complete().replace("= 2000", "= 0"), "mqtt.receive_maximum"),
            (complete().replace("\"ingest\"", "\"a/b\""), "mqtt.share_group"),
            (complete().replace("lease = \"60s\"", "lease = \"2s\""), "presence.flush_interval"),
            (complete().replace("\"5s\"", "\"0s\""), "commands.puback_timeout"),
            (complete().replace("share_group", "group"), "group"),
        ] {
            let problem = refused(&text);
            assert!(problem.contains(option), "{option}: {problem}");
            assert_eq!(problem.lines().count(), 1, "{problem}");
        }
    }
}
