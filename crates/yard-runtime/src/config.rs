//! Layers of configuration: the documented default in the program ← a file (`--config`) ←
//! `YARD_<SERVICE>__SECTION__KEY` in the environment. An unknown key refuses to start.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use figment::Figment;
use figment::providers::{Env, Format as _, Toml};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A configuration that cannot be used; prints as one line that names the option.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("configuration: {option}: {problem}")]
pub struct ConfigError {
    option: String,
    problem: String,
}

impl ConfigError {
    /// `option` as written in the file, for example `grpc.listen`.
    #[must_use]
    pub fn new(option: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { option: option.into(), problem: problem.into() }
    }
}

/// What every service's configuration has.
pub trait ServiceConfig: DeserializeOwned + Serialize + Send + 'static {
    /// The section `[runtime]`.
    fn runtime(&self) -> &RuntimeConfig;

    /// Checks values, and pairs of values, that types cannot.
    ///
    /// # Errors
    /// The first option that cannot be used.
    fn validate(&self) -> Result<(), ConfigError>;
}

/// What `runtime.environment` may be.
pub const ENVIRONMENTS: [&str; 4] = ["development", "test", "staging", "production"];
const LIVE: [&str; 2] = ["staging", "production"];

/// Section `[runtime]`, the same in every service.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimeConfig {
    /// Admin listener; never public.
    pub admin_listen: SocketAddr,
    /// A `tracing` filter, for example `info` or `info,worker=debug`.
    pub log_level: String,
    /// `json` or `text`.
    pub log_format: LogFormat,
    /// OTLP/gRPC endpoint for traces; empty turns them off.
    pub otlp_endpoint: String,
    /// Share of traces that are kept, 0 to 1; a caller's decision is followed.
    pub sample_ratio: f64,
    /// One of [`ENVIRONMENTS`]; a label of traces and logs. In the last two, options that leave
    /// people unprotected refuse to start.
    pub environment: String,
    /// Between "not ready" and the end of accepting, so that load balancers notice.
    #[serde(with = "humantime_serde")]
    pub drain_delay: Duration,
    /// How long work in hand may take after that.
    #[serde(with = "humantime_serde")]
    pub drain_deadline: Duration,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl RuntimeConfig {
    /// What tests start with: any port, no traces, no waiting.
    #[must_use]
    pub fn for_test() -> Self {
        Self {
            admin_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            log_level: "info".to_owned(),
            log_format: LogFormat::Text,
            otlp_endpoint: String::new(),
            sample_ratio: 0.0,
            environment: "test".to_owned(),
            drain_delay: Duration::ZERO,
            drain_deadline: Duration::from_secs(10),
        }
    }

    /// People use it: what is insecure may not be configured.
    #[must_use]
    pub fn is_live(&self) -> bool {
        LIVE.contains(&self.environment.as_str())
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if !ENVIRONMENTS.contains(&self.environment.as_str()) {
            let rule = format!("has to be one of {}", ENVIRONMENTS.join(", "));
            return Err(ConfigError::new("runtime.environment", rule));
        }
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            return Err(ConfigError::new("runtime.sample_ratio", "has to be 0 to 1"));
        }
        if self.drain_deadline > Duration::from_secs(600) {
            return Err(ConfigError::new("runtime.drain_deadline", "at most 10 min"));
        }
        Ok(())
    }
}

/// Reads and checks a service's configuration.
///
/// # Errors
/// One line that names the option.
pub fn load<C: ServiceConfig>(
    service: &str,
    defaults: &str,
    file: Option<&Path>,
) -> Result<C, ConfigError> {
    let mut figment = Figment::from(Toml::string(defaults));
    if let Some(path) = file {
        if !path.is_file() {
            return Err(ConfigError::new("--config", format!("no file {}", path.display())));
        }
        figment = figment.merge(Toml::file_exact(path));
    }
    finish(figment.merge(Env::prefixed(&env_prefix(service)).split("__")))
}

/// Reads and checks a configuration from the defaults and one text over them, without files or
/// environment: for tests that run services inside their own process.
///
/// # Errors
/// One line that names the option.
pub fn load_over<C: ServiceConfig>(defaults: &str, over: &str) -> Result<C, ConfigError> {
    finish(Figment::from(Toml::string(defaults)).merge(Toml::string(over)))
}

fn finish<C: ServiceConfig>(figment: Figment) -> Result<C, ConfigError> {
    let config: C = figment.extract().map_err(|e| first_problem(&e))?;
    config.runtime().validate()?;
    config.validate()?;
    Ok(config)
}

/// `device-ingest` → `YARD_DEVICE_INGEST__`.
fn env_prefix(service: &str) -> String {
    format!("YARD_{}__", service.to_uppercase().replace('-', "_"))
}

fn first_problem(error: &figment::Error) -> ConfigError {
    let first = error.clone().into_iter().next().unwrap_or_else(|| error.clone());
    let option = match first.path.join(".") {
        path if path.is_empty() => "(top level)".to_owned(),
        path => path,
    };
    ConfigError::new(option, first.kind.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        runtime: RuntimeConfig,
        listen: SocketAddr,
    }

    impl ServiceConfig for Sample {
        fn runtime(&self) -> &RuntimeConfig {
            &self.runtime
        }

        fn validate(&self) -> Result<(), ConfigError> {
            Ok(())
        }
    }

    const GOOD: &str = r#"
        listen = "127.0.0.1:1"
        [runtime]
        admin_listen = "127.0.0.1:2"
        log_level = "info"
        log_format = "json"
        otlp_endpoint = ""
        sample_ratio = 0.1
        environment = "test"
        drain_delay = "0s"
        drain_deadline = "10s"
    "#;

    fn refused(text: &str) -> String {
        load::<Sample>("sample", text, None).unwrap_err().to_string()
    }

    #[test]
    fn complete_configuration_loads() {
        assert!(load::<Sample>("sample", GOOD, None).is_ok());
    }

    #[test]
    fn unknown_missing_and_wrong_options_are_named_in_one_line() {
        let misspelt = refused(&GOOD.replace("\"test\"", "\"prod\""));
        assert!(misspelt.contains("runtime.environment"), "{misspelt}");
        let unknown = refused(&GOOD.replace("environment", "enviroment"));
        assert!(unknown.contains("enviroment"), "{unknown}");
        let missing = refused(&GOOD.replace("listen = \"127.0.0.1:1\"", ""));
        assert!(missing.contains("listen"), "{missing}");
        let wrong = refused(&GOOD.replace("\"0s\"", "\"soon\""));
        assert!(wrong.contains("runtime.drain_delay"), "{wrong}");
        let range = refused(&GOOD.replace("0.1", "1.1"));
        assert!(range.contains("runtime.sample_ratio"), "{range}");
        for line in [unknown, missing, wrong, range] {
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }
}
