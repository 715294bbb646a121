use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use yard_authn::IdentityConfig;
use yard_messaging::NatsConfig;
use yard_pg::PostgresConfig;
use yard_runtime::{ConfigError, RuntimeConfig, ServiceConfig};

/// The documented defaults, as TOML.
pub const DEFAULT_CONFIG: &str = include_str!("../config/default.toml");

/// Everything the scheduler can be told; `config/default.toml` explains each option.
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
    /// `[leader]`
    pub leader: LeaderConfig,
}

/// A listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenConfig {
    /// Address and port; port 0 takes any.
    pub listen: SocketAddr,
}

/// The leader's lease.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaderConfig {
    /// How long a silent leader keeps the lease.
    #[serde(with = "humantime_serde")]
    pub ttl: Duration,
    /// Pause between renewals.
    #[serde(with = "humantime_serde")]
    pub renew: Duration,
}

impl LeaderConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        if !(3_000..=300_000).contains(&self.ttl.as_millis()) {
            return Err(ConfigError::new("leader.ttl", "has to be 3 s to 5 min"));
        }
        if self.renew < Duration::from_millis(50) || self.renew * 3 > self.ttl {
            let problem = "has to be 50 ms to a third of leader.ttl";
            return Err(ConfigError::new("leader.renew", problem));
        }
        Ok(())
    }
}

impl ServiceConfig for Config {
    fn runtime(&self) -> &RuntimeConfig {
        &self.runtime
    }

    fn validate(&self) -> Result<(), ConfigError> {
        self.postgres.validate()?;
        self.nats.validate()?;
        self.leader.validate()
    }
}

#[cfg(test)]
mod tests {
    use yard_runtime::config::load;

    use super::*;

    fn complete() -> String {
        let postgres = DEFAULT_CONFIG.replacen("url = \"\"", "url = \"postgres://x@h/d\"", 1);
        postgres.replacen("url = \"\"", "url = \"nats://127.0.0.1:1\"", 1)
    }

    #[test]
    fn defaults_with_the_two_urls_are_usable() {
        assert!(load::<Config>("scheduler", &complete(), None).is_ok());
    }

    #[test]
    fn missing_and_wrong_options_are_named_in_one_line() {
        for (from, to, named) in [
            ("nats://127.0.0.1:1", "", "nats.url"),
            ("ttl = \"15s\"", "ttl = \"1s\"", "leader.ttl"),
            ("renew = \"5s\"", "renew = \"6s\"", "leader.renew"),
            ("renew = \"5s\"", "renewal = \"5s\"", "renewal"),
            ("127.0.0.1:7401", "here", "grpc.listen"),
        ] {
            let text = complete().replace(from, to);
            let refusal = load::<Config>("scheduler", &text, None).unwrap_err().to_string();
            assert!(refusal.contains(named), "{refusal}");
            assert_eq!(refusal.lines().count(), 1, "{refusal}");
        }
    }
}
