use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use yard_authn::IdentityConfig;
use yard_messaging::NatsConfig;
use yard_outbound::Guard;
use yard_pg::PostgresConfig;
use yard_runtime::{ConfigError, RuntimeConfig, ServiceConfig};

/// The documented defaults, as TOML.
pub const DEFAULT_CONFIG: &str = include_str!("../config/default.toml");

/// Everything the worker can be told; `config/default.toml` explains each option.
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
    /// `[telemetry_writer]`
    pub telemetry_writer: WriterConfig,
    /// `[jobs]`
    pub jobs: JobsConfig,
    /// `[webhooks]`
    pub webhooks: WebhooksConfig,
}

/// A listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenConfig {
    /// Address and port; port 0 takes any.
    pub listen: SocketAddr,
}

/// How readings are stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriterConfig {
    /// Batches at the same time.
    pub tasks: usize,
    /// Most readings of one transaction.
    pub max_batch: usize,
    /// Delivered and not yet stored, over all workers.
    pub max_ack_pending: i64,
    /// After that a batch is delivered again.
    #[serde(with = "humantime_serde")]
    pub ack_wait: Duration,
    /// Live events per second and device.
    pub live_per_second: u32,
}

/// How jobs are run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobsConfig {
    /// Jobs at the same time.
    pub slots: usize,
    /// How long a worker may be silent about a job.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// Longest pause between two looks at the queue.
    #[serde(with = "humantime_serde")]
    pub poll: Duration,
    /// Pause between two looks for lost jobs.
    #[serde(with = "humantime_serde")]
    pub rescue: Duration,
}

/// How tenants' webhooks are called.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhooksConfig {
    /// Calls at the same time.
    pub calls: usize,
    /// How long a receiver may take.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// A call whose worker is silent for so long is made by another.
    #[serde(with = "humantime_serde")]
    pub ack_wait: Duration,
    /// After that a call that no receiver takes goes to the dead letters.
    #[serde(with = "humantime_serde")]
    pub give_up_after: Duration,
    /// Networks that are not public and hold receivers.
    pub allowed_networks: Vec<String>,
    /// Certificates to trust beside the system's, PEM; empty for none.
    pub ca_file: PathBuf,
    /// Calls without TLS, for tests.
    pub plain_http: bool,
}

impl Default for WebhooksConfig {
    fn default() -> Self {
        Self {
            calls: 128,
            timeout: Duration::from_secs(10),
            ack_wait: Duration::from_secs(30),
            give_up_after: Duration::from_secs(300),
            allowed_networks: Vec::new(),
            ca_file: PathBuf::new(),
            plain_http: false,
        }
    }
}

impl Default for WriterConfig {
    fn default() -> Self {
        Self {
            tasks: 2,
            max_batch: 2_000,
            max_ack_pending: 20_000,
            ack_wait: Duration::from_secs(30),
            live_per_second: 10,
        }
    }
}

impl Default for JobsConfig {
    fn default() -> Self {
        Self {
            slots: 4,
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            rescue: Duration::from_secs(5),
        }
    }
}

impl ServiceConfig for Config {
    fn runtime(&self) -> &RuntimeConfig {
        &self.runtime
    }

    fn validate(&self) -> Result<(), ConfigError> {
        self.postgres.validate_with_reader()?;
        self.nats.validate()?;
        self.telemetry_writer.validate()?;
        self.jobs.validate()?;
        self.webhooks.validate(&self.runtime.environment)?;
        let taken = self.telemetry_writer.tasks + self.jobs.slots;
        if taken >= self.postgres.max_connections as usize {
            let problem = "has to be more than telemetry_writer.tasks and jobs.slots together";
            return Err(ConfigError::new("postgres.max_connections", problem));
        }
        Ok(())
    }
}

impl WriterConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        within("telemetry_writer.tasks", self.tasks, 1..=16)?;
        within("telemetry_writer.max_batch", self.max_batch, 1..=5_000)?;
        within("telemetry_writer.max_ack_pending", self.max_ack_pending, 100..=1_000_000)?;
        within("telemetry_writer.live_per_second", self.live_per_second, 1..=1_000)?;
        lasts("telemetry_writer.ack_wait", self.ack_wait, 10_000..=600_000)
    }
}

impl JobsConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        within("jobs.slots", self.slots, 1..=64)?;
        lasts("jobs.lease", self.lease, 1_000..=600_000)?;
        lasts("jobs.poll", self.poll, 50..=60_000)?;
        lasts("jobs.rescue", self.rescue, 50..=300_000)
    }
}

impl WebhooksConfig {
    fn validate(&self, environment: &str) -> Result<(), ConfigError> {
        within("webhooks.calls", self.calls, 1..=1_024)?;
        lasts("webhooks.timeout", self.timeout, 1_000..=30_000)?;
        lasts("webhooks.ack_wait", self.ack_wait, 3_000..=600_000)?;
        lasts("webhooks.give_up_after", self.give_up_after, 1_000..=3_600_000)?;
        self.guard(environment).map(drop)
    }

    /// Whom it lets us call.
    pub(crate) fn guard(&self, environment: &str) -> Result<Guard, ConfigError> {
        Guard::of_config("webhooks", &self.allowed_networks, self.plain_http, environment)
    }
}

fn within<T: PartialOrd + std::fmt::Display>(
    option: &str,
    value: T,
    allowed: RangeInclusive<T>,
) -> Result<(), ConfigError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let problem = format!("has to be {} to {}", allowed.start(), allowed.end());
    Err(ConfigError::new(option, problem))
}

fn lasts(option: &str, value: Duration, millis: RangeInclusive<u128>) -> Result<(), ConfigError> {
    if millis.contains(&value.as_millis()) {
        return Ok(());
    }
    let problem = format!("has to be {} ms to {} ms", millis.start(), millis.end());
    Err(ConfigError::new(option, problem))
}

#[cfg(test)]
mod tests {
    use yard_runtime::config::load;

    use super::*;

    fn complete() -> String {
        let empty = "\nurl = \"\"";
        let postgres = DEFAULT_CONFIG.replacen(empty, "\nurl = \"postgres://x@h/d\"", 1);
        postgres.replacen(empty, "\nurl = \"nats://127.0.0.1:1\"", 1)
    }

    fn refused(text: &str) -> String {
        load::<Config>("worker", text, None).unwrap_err().to_string()
    }

    #[test]
    fn defaults_with_the_two_urls_are_usable_and_as_in_code() {
        let config: Config = load("worker", &complete(), None).unwrap();
        assert_eq!(format!("{:?}", config.jobs), format!("{:?}", JobsConfig::default()));
        let writer = format!("{:?}", WriterConfig::default());
        assert_eq!(format!("{:?}", config.telemetry_writer), writer);
        let webhooks = format!("{:?}", WebhooksConfig::default());
        assert_eq!(format!("{:?}", config.webhooks), webhooks);
    }

    #[test]
    fn missing_and_wrong_options_are_named_in_one_line() {
        let missing = refused(DEFAULT_CONFIG);
        assert!(missing.contains("postgres.url"), "{missing}");
        for (from, to, named) in [
            ("tasks = 2", "tasks = 0", "telemetry_writer.tasks"),
            ("max_batch = 2000", "max_batch = 9999", "telemetry_writer.max_batch"),
            ("ack_wait = \"30s\"", "ack_wait = \"1s\"", "telemetry_writer.ack_wait"),
            ("lease = \"30s\"", "lease = \"soon\"", "jobs.lease"),
            ("max_connections = 12", "max_connections = 6", "postgres.max_connections"),
            ("slots = 4", "slot = 4", "slot"),
            ("timeout = \"10s\"", "timeout = \"31s\"", "webhooks.timeout"),
            ("allowed_networks = []", "allowed_networks = [\"x\"]", "webhooks.allowed_networks"),
        ] {
            let refusal = refused(&complete().replace(from, to));
            assert!(refusal.contains(named), "{refusal}");
            assert_eq!(refusal.lines().count(), 1, "{refusal}");
        }
    }
}
