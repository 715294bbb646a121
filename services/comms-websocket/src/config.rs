use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use yard_authn::IdentityConfig;
pub use yard_limits::RedisConfig;
use yard_messaging::NatsConfig;
use yard_pg::PostgresConfig;
use yard_runtime::{ConfigError, RuntimeConfig, ServiceConfig};

pub use crate::api::ApiConfig;

/// The documented defaults, as TOML.
pub const DEFAULT_CONFIG: &str = include_str!("../config/default.toml");

/// Everything comms-websocket can be told; `config/default.toml` explains each option.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[runtime]`
    pub runtime: RuntimeConfig,
    /// `[grpc]`
    pub grpc: GrpcConfig,
    /// `[socket]`
    pub socket: SocketConfig,
    /// `[api]`
    pub api: ApiConfig,
    /// `[tail]`
    pub tail: TailConfig,
    /// `[redis]`
    pub redis: RedisConfig,
    /// `[nats]`
    pub nats: NatsConfig,
    /// `[identity]`
    pub identity: IdentityConfig,
    /// `[postgres]`
    pub postgres: PostgresConfig,
    /// `[sealing]`
    pub sealing: SealingConfig,
    /// `[apps]`
    pub apps: AppsConfig,
}

/// What has to be read again lies sealed in the database.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealingConfig {
    /// One `kid:base64 of 32 bytes` a line; the first seals, all open.
    pub key_file: PathBuf,
}

/// Tenants' own apps.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppsConfig {
    /// Of one tenant.
    pub max_per_tenant: u32,
}

/// Where other services call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrpcConfig {
    /// Address and port; port 0 takes any.
    pub listen: SocketAddr,
}

/// Where Pusher clients connect, and how much each may take.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketConfig {
    /// Address and port; port 0 takes any.
    pub listen: SocketAddr,
    /// `Origin` values that are let in; `*` takes any.
    pub allowed_origins: Vec<String>,
    /// Number of the platform's own app.
    pub app_id: u64,
    /// Public name of it.
    pub app_key: String,
    /// File with the secret that signs joins.
    pub app_secret_file: PathBuf,
    /// Its clients may send events to each other.
    pub client_events: bool,
    /// People in one of its presence channels.
    pub max_members: usize,
    /// Sockets without a ticket may open; what they hear is decided per channel, by signature.
    pub anonymous: bool,
    /// Silence after which a client is pinged.
    #[serde(with = "humantime_serde")]
    pub activity_timeout: Duration,
    /// How long the answer may take.
    #[serde(with = "humantime_serde")]
    pub pong_timeout: Duration,
    /// Sockets at the same time.
    pub max_connections: usize,
    /// Channels of one socket.
    pub max_channels_per_socket: usize,
    /// Users on the watch list of one socket.
    pub max_watched_users: usize,
    /// Largest message of a client, bytes.
    pub max_message_bytes: usize,
    /// Frames that may wait for one socket.
    pub outbound_queue: usize,
    /// Bytes that may wait for one socket.
    pub outbound_bytes: usize,
    /// A drain closes its sockets over this time.
    #[serde(with = "humantime_serde")]
    pub drain_window: Duration,
}

/// Streams over gRPC.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TailConfig {
    /// At the same time.
    pub max_streams: usize,
}

impl SocketConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        let key = self.app_key.as_str();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if !(1..=64).contains(&key.len()) || !key.bytes().all(plain) {
            let rule = "has to be 1 to 64 letters, digits, - or _";
            return Err(ConfigError::new("socket.app_key", rule));
        }
        for (option, value, most) in [
            ("socket.activity_timeout", self.activity_timeout, 3_600),
            ("socket.pong_timeout", self.pong_timeout, 300),
        ] {
            if value < Duration::from_secs(1) || value > Duration::from_secs(most) {
                return Err(ConfigError::new(option, format!("has to be 1 s to {most} s")));
            }
        }
        for (option, value, least, most) in [
            ("socket.max_connections", self.max_connections, 1, 1_000_000),
            ("socket.max_channels_per_socket", self.max_channels_per_socket, 1, 10_000),
            ("socket.max_watched_users", self.max_watched_users, 1, 1_000),
            ("socket.max_members", self.max_members, 1, 10_000),
            ("socket.max_message_bytes", self.max_message_bytes, 1_024, 1_048_576),
            ("socket.outbound_queue", self.outbound_queue, 8, 65_536),
            ("socket.outbound_bytes", self.outbound_bytes, 65_536, 67_108_864),
        ] {
            if !(least..=most).contains(&value) {
                return Err(ConfigError::new(option, format!("has to be {least} to {most}")));
            }
        }
        Ok(())
    }
}

impl ServiceConfig for Config {
    fn runtime(&self) -> &RuntimeConfig {
        &self.runtime
    }

    fn validate(&self) -> Result<(), ConfigError> {
        self.socket.validate()?;
        self.api.validate()?;
        self.nats.validate()?;
        self.redis.resolve_url()?;
        self.postgres.validate()?;
        if !(1..=1_000).contains(&self.apps.max_per_tenant) {
            return Err(ConfigError::new("apps.max_per_tenant", "has to be 1 to 1000"));
        }
        if self.socket.drain_window >= self.runtime.drain_deadline {
            let rule = "has to be shorter than runtime.drain_deadline";
            return Err(ConfigError::new("socket.drain_window", rule));
        }
        if !(1..=100_000).contains(&self.tail.max_streams) {
            return Err(ConfigError::new("tail.max_streams", "has to be 1 to 100000"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use yard_runtime::config::load;

    use super::*;

    fn complete() -> String {
        // In the order in which the sections stand.
        ["redis://127.0.0.1:1", "nats://127.0.0.1:1", "postgres://x@h/d"]
            .iter()
            .fold(DEFAULT_CONFIG.to_owned(), |text, url| {
                text.replacen("\nurl = \"\"", &format!("\nurl = \"{url}\""), 1)
            })
    }

    #[test]
    fn defaults_with_the_urls_are_usable() {
        assert!(load::<Config>("comms-websocket", &complete(), None).is_ok());
    }

    #[test]
    fn missing_and_wrong_options_are_named_in_one_line() {
        let cases = [
            ("", "", "nats.url"),
            ("app_key = \"switchyard\"", "app_key = \"a/b\"", "socket.app_key"),
            ("\"120s\"", "\"0s\"", "socket.activity_timeout"),
            ("drain_window = \"5s\"", "drain_window = \"10s\"", "socket.drain_window"),
            ("max_watched_users = 100", "max_watched_users = 0", "socket.max_watched_users"),
            ("outbound_queue = 256", "outbound_queue = 1", "socket.outbound_queue"),
            ("per_second = 1000", "per_second = 9", "api.per_second"),
            ("patience = \"250ms\"", "patience = \"1ms\"", "api.patience"),
            ("max_streams", "max_tails", "max_tails"),
            ("postgres://x@h/d", "", "postgres.url"),
            ("max_per_tenant = 10", "max_per_tenant = 0", "apps.max_per_tenant"),
        ];
        for (from, to, option) in cases {
            let text = if from.is_empty() {
                DEFAULT_CONFIG.to_owned()
            } else {
                complete().replace(from, to)
            };
            let line = load::<Config>("comms-websocket", &text, None).unwrap_err().to_string();
            assert!(line.contains(option), "{line}");
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }
}
