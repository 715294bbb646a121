//! The gateway's configuration; every option stands with its comment in `config/default.toml`.

use std::net::SocketAddr;
use std::path::PathBuf;

use http::Uri;
use serde::{Deserialize, Serialize};
use yard_authn::IdentityConfig;
use yard_limits::RedisConfig;
use yard_messaging::NatsConfig;
use yard_runtime::{ConfigError, RuntimeConfig, ServiceConfig, config};

use crate::guard::BansConfig;
use crate::limits::{CapsConfig, LimitsConfig};
use crate::pass::PassThroughConfig;
use crate::protect::{ForwardedHeader, Origins, Proxies};

/// See `config/default.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Section `[runtime]`.
    pub runtime: RuntimeConfig,
    /// Section `[http]`.
    pub http: HttpConfig,
    /// Section `[identity]`.
    pub identity: IdentityConfig,
    /// Section `[nats]`.
    pub nats: NatsConfig,
    /// Section `[upstreams]`.
    pub upstreams: UpstreamsConfig,
    /// Section `[pass_through]`.
    pub pass_through: PassThroughConfig,
    /// Section `[console]`.
    pub console: ConsoleConfig,
    /// Section `[redis]`.
    pub redis: RedisConfig,
    /// Section `[limits]`.
    pub limits: LimitsConfig,
    /// Section `[caps]`.
    pub caps: CapsConfig,
    /// Section `[bans]`.
    pub bans: BansConfig,
}

/// Section `[http]`: the public listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Where browsers and clients come in.
    pub listen: SocketAddr,
    /// Origins of other sites whose pages may call us.
    pub allowed_origins: Vec<String>,
    /// Browsers reach us by HTTPS.
    pub public_https: bool,
    /// Addresses or networks whose `forwarded_header` is believed.
    pub trusted_proxies: Vec<String>,
    /// Which header they say the client's address in.
    pub forwarded_header: ForwardedHeader,
}

/// Section `[upstreams]`: the services behind us.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamsConfig {
    /// gRPC URL of auth.
    pub auth: String,
    /// gRPC URL of device-ingest.
    pub device_ingest: String,
    /// gRPC URL of comms-websocket.
    pub comms_websocket: String,
    /// gRPC URL of the scheduler.
    pub scheduler: String,
    /// gRPC URL of the worker.
    pub worker: String,
    /// `host:port` of comms-websocket's socket listener.
    pub socket: String,
}

impl UpstreamsConfig {
    /// The URL of a service by its name in the contract, and the option's name.
    #[must_use]
    pub fn of(&self, owner: &str) -> Option<(&'static str, &str)> {
        Some(match owner {
            "auth" => ("upstreams.auth", &self.auth),
            "device-ingest" => ("upstreams.device_ingest", &self.device_ingest),
            "comms-websocket" => ("upstreams.comms_websocket", &self.comms_websocket),
            "scheduler" => ("upstreams.scheduler", &self.scheduler),
            "worker" => ("upstreams.worker", &self.worker),
            _ => return None,
        })
    }
}

/// Section `[console]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleConfig {
    /// The built console; empty for the API alone.
    pub dir: PathBuf,
}

impl ServiceConfig for Config {
    fn runtime(&self) -> &RuntimeConfig {
        &self.runtime
    }

    fn validate(&self) -> Result<(), ConfigError> {
        if self.runtime.is_live() && !self.http.public_https {
            let rule = "has to be true where runtime.environment is staging or production";
            return Err(ConfigError::new("http.public_https", rule));
        }
        Origins::parse(&self.http.allowed_origins, self.http.public_https)?;
        Proxies::parse(&self.http.trusted_proxies, self.http.forwarded_header)?;
        if !self.redis.is_empty() {
            self.redis.resolve_url()?;
        }
        self.limits.validate()?;
        self.caps.validate()?;
        self.bans.validate()?;
        self.pass_through.validate()?;
        self.nats.validate()?;
        for owner in ["auth", "device-ingest", "comms-websocket", "scheduler", "worker"] {
            let Some((option, url)) = self.upstreams.of(owner) else {
                continue;
            };
            let usable =
                url.parse::<Uri>().is_ok_and(|u| u.scheme().is_some() && u.host().is_some());
            if !usable {
                return Err(ConfigError::new(option, format!("{url:?} is no URL")));
            }
        }
        let port = self.upstreams.socket.rsplit_once(':').and_then(|(_, p)| p.parse::<u16>().ok());
        if port.is_none() {
            return Err(ConfigError::new("upstreams.socket", "has to be host:port"));
        }
        Ok(())
    }
}

impl Config {
    /// The documented defaults. The one option that has none is made up.
    ///
    /// # Errors
    /// When the defaults in the program do not load, which a test would show first.
    pub fn documented() -> Result<Self, ConfigError> {
        config::load_over(crate::DEFAULT_CONFIG, "nats.url = \"nats://127.0.0.1:4222\"\n")
    }
}

/// The documented defaults, as a test changes them.
#[cfg(test)]
pub(crate) fn defaults() -> Config {
    Config::documented().expect("defaults load")
}
