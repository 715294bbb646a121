//! Sections `[limits]` and `[caps]`; every option stands with its comment in `config/default.toml`.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use yard_contracts::access::v1::Rate;
use yard_limits::Limit;
use yard_runtime::ConfigError;

/// Section `[limits]`: each class of calls by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Calls that only read.
    pub read: ClassConfig,
    /// Calls that change something.
    pub write: ClassConfig,
    /// Calls that check a password or another credential.
    pub login: ClassConfig,
    /// Calls that are answered by a stream.
    pub stream: ClassConfig,
    /// Percent of the tenant limits for single tenants, by tenant id.
    pub tenant_percent: HashMap<Uuid, u32>,
}

/// The limits of one class.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassConfig {
    /// For one address.
    pub address: RateConfig,
    /// For one session or API token.
    pub session: RateConfig,
    /// For one tenant.
    pub tenant: RateConfig,
    /// Largest body of a caller in a session, KiB.
    pub body_kib: usize,
    /// Until the service behind has answered; for a stream, until it has begun.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
    /// Calls at the same time in this process.
    pub places: usize,
}

/// So many at once, then one per interval.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateConfig {
    /// Granted at once.
    pub burst: u32,
    /// Until one more is granted.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
}

impl From<RateConfig> for Limit {
    fn from(config: RateConfig) -> Self {
        Self { burst: config.burst, interval: config.interval }
    }
}

impl LimitsConfig {
    /// The limits of a class.
    #[must_use]
    pub const fn of(&self, rate: Rate) -> &ClassConfig {
        match rate {
            Rate::Read => &self.read,
            Rate::Write | Rate::Unspecified => &self.write,
            Rate::Login => &self.login,
            Rate::Stream => &self.stream,
        }
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        for rate in [Rate::Read, Rate::Write, Rate::Login, Rate::Stream] {
            self.of(rate).validate(class_name(rate))?;
        }
        if self.tenant_percent.values().any(|percent| !(1..=100_000).contains(percent)) {
            return Err(ConfigError::new("limits.tenant_percent", "has to be 1 to 100000"));
        }
        Ok(())
    }
}

impl ClassConfig {
    fn validate(&self, class: &str) -> Result<(), ConfigError> {
        let wrong = |option: &str, problem: &str| {
            Err(ConfigError::new(format!("limits.{class}.{option}"), problem))
        };
        for (name, rate) in
            [("address", self.address), ("session", self.session), ("tenant", self.tenant)]
        {
            if !(1..=1_000_000).contains(&rate.burst) {
                return wrong(&format!("{name}.burst"), "has to be 1 to 1000000");
            }
            if rate.interval < Duration::from_micros(1) || rate.interval > Duration::from_secs(600)
            {
                return wrong(&format!("{name}.interval"), "has to be 1 us to 10 min");
            }
        }
        if !(1..=4_096).contains(&self.body_kib) {
            return wrong("body_kib", "has to be 1 to 4096");
        }
        if self.deadline.is_zero() || self.deadline > Duration::from_secs(10) {
            return wrong("deadline", "has to be at most 10 s, what services behind allow");
        }
        if !(1..=100_000).contains(&self.places) {
            return wrong("places", "has to be 1 to 100000");
        }
        Ok(())
    }
}

/// A class as options, metrics and headers spell it.
#[must_use]
pub const fn class_name(rate: Rate) -> &'static str {
    match rate {
        Rate::Read => "read",
        Rate::Write | Rate::Unspecified => "write",
        Rate::Login => "login",
        Rate::Stream => "stream",
    }
}

/// Section `[caps]`: what no request may exceed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapsConfig {
    /// Path and query, bytes.
    pub url_bytes: usize,
    /// Headers of a request.
    pub headers: usize,
    /// Names and values of all headers together, bytes.
    pub header_bytes: usize,
    /// Until a request line and its headers are there, also on a connection that is kept open.
    #[serde(with = "humantime_serde")]
    pub header_time: Duration,
    /// Largest body of a caller without a session, KiB.
    pub anonymous_body_kib: usize,
    /// Until the whole body is there.
    #[serde(with = "humantime_serde")]
    pub body_time: Duration,
    /// Between two parts of a body.
    #[serde(with = "humantime_serde")]
    pub body_pause: Duration,
    /// Members of objects and elements of arrays in a body, on all levels together.
    pub members: usize,
    /// Levels of arrays and objects in a body.
    pub depth: usize,
    /// Calls at the same time in this process, all classes together; streams count until they begin.
    pub calls: usize,
    /// Calls at the same time from one address.
    pub calls_per_address: usize,
    /// Connections at the same time.
    pub connections: usize,
    /// Connections at the same time from one address that is no trusted proxy.
    pub connections_per_address: usize,
}

impl CapsConfig {
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let ranges = [
            ("url_bytes", self.url_bytes, 256, 32_768),
            ("headers", self.headers, 16, 200),
            ("header_bytes", self.header_bytes, 1_024, 65_536),
            ("anonymous_body_kib", self.anonymous_body_kib, 1, 4_096),
            ("members", self.members, 100, 1_000_000),
            ("depth", self.depth, 8, 100),
            ("calls", self.calls, 1, 100_000),
            ("calls_per_address", self.calls_per_address, 1, 100_000),
            ("connections", self.connections, 1, 1_000_000),
            ("connections_per_address", self.connections_per_address, 1, 1_000_000),
        ];
        for (option, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                let problem = format!("has to be {least} to {most}");
                return Err(ConfigError::new(format!("caps.{option}"), problem));
            }
        }
        let times = [
            ("header_time", self.header_time),
            ("body_time", self.body_time),
            ("body_pause", self.body_pause),
        ];
        for (option, value) in times {
            if value.is_zero() || value > Duration::from_secs(120) {
                return Err(ConfigError::new(format!("caps.{option}"), "has to be at most 2 min"));
            }
        }
        Ok(())
    }
}
