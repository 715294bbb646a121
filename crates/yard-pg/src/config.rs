use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use yard_runtime::{ConfigError, Secret};

/// Section `[postgres]` of a service.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfig {
    /// `postgres://role:password@host:port/database`; or leave it empty and give `url_file`.
    pub url: Secret,
    /// A file that holds the URL.
    pub url_file: PathBuf,
    /// Connections at most.
    pub max_connections: u32,
    /// How long a request waits for a connection before it is answered 503.
    #[serde(with = "humantime_serde")]
    pub acquire_timeout: Duration,
    /// Statements longer than this are cancelled by the server.
    #[serde(with = "humantime_serde")]
    pub statement_timeout: Duration,
    /// A streaming replica to read from, as `url`; empty for none. Only for services that say so.
    #[serde(default)]
    pub reader_url: Secret,
    /// A file that holds that URL.
    #[serde(default)]
    pub reader_url_file: PathBuf,
    /// How far behind the replica may be and still be read from.
    #[serde(default = "usual_lag", with = "humantime_serde")]
    pub max_reader_lag: Duration,
}

const fn usual_lag() -> Duration {
    Duration::from_secs(5)
}

impl PostgresConfig {
    /// For tests: a URL and small limits.
    #[must_use]
    pub fn for_test(url: &str) -> Self {
        Self {
            url: Secret::new(url.to_owned()),
            url_file: PathBuf::new(),
            max_connections: 5,
            acquire_timeout: Duration::from_secs(15),
            statement_timeout: Duration::from_secs(20),
            reader_url: Secret::default(),
            reader_url_file: PathBuf::new(),
            max_reader_lag: usual_lag(),
        }
    }

    /// The URL, from whichever of the two options has it.
    ///
    /// # Errors
    /// When neither or both are given, or the file cannot be read.
    pub fn resolve_url(&self) -> Result<Secret, ConfigError> {
        match (self.url.is_empty(), self.url_file.as_os_str().is_empty()) {
            (false, true) => Ok(self.url.clone()),
            (true, false) => Secret::from_file("postgres.url_file", &self.url_file),
            (true, true) => Err(ConfigError::new("postgres.url", "give it, or postgres.url_file")),
            (false, false) => {
                Err(ConfigError::new("postgres.url", "give it or postgres.url_file, not both"))
            }
        }
    }

    /// The replica's URL, if there is one.
    ///
    /// # Errors
    /// When both options are given, or the file cannot be read.
    pub fn resolve_reader_url(&self) -> Result<Option<Secret>, ConfigError> {
        match (self.reader_url.is_empty(), self.reader_url_file.as_os_str().is_empty()) {
            (true, true) => Ok(None),
            (false, true) => Ok(Some(self.reader_url.clone())),
            (true, false) => {
                Secret::from_file("postgres.reader_url_file", &self.reader_url_file).map(Some)
            }
            (false, false) => {
                let text = "give it or postgres.reader_url_file, not both";
                Err(ConfigError::new("postgres.reader_url", text))
            }
        }
    }

    /// Checks values that the types cannot, for a service that reads from a replica if it is told
    /// of one.
    ///
    /// # Errors
    /// The first option that cannot be used.
    pub fn validate_with_reader(&self) -> Result<(), ConfigError> {
        self.resolve_reader_url()?;
        // The beat comes each second: a shorter bound would be missed without anything being wrong.
        let (least, most) = (Duration::from_secs(2), Duration::from_secs(600));
        if !(least..=most).contains(&self.max_reader_lag) {
            return Err(ConfigError::new("postgres.max_reader_lag", "has to be 2 s to 10 min"));
        }
        self.validate_writer()
    }

    /// Checks values that the types cannot, for a service that reads from no replica.
    ///
    /// # Errors
    /// The first option that cannot be used.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !self.reader_url.is_empty() || !self.reader_url_file.as_os_str().is_empty() {
            let text = "this service reads nothing from a replica";
            return Err(ConfigError::new("postgres.reader_url", text));
        }
        self.validate_writer()
    }

    fn validate_writer(&self) -> Result<(), ConfigError> {
        self.resolve_url()?;
        if !(1..=200).contains(&self.max_connections) {
            return Err(ConfigError::new("postgres.max_connections", "has to be 1 to 200"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(outcome: Result<(), ConfigError>) -> String {
        outcome.map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn replica_is_for_services_that_read_from_one_and_not_named_twice() {
        let mut config = PostgresConfig::for_test("postgres://a:b@c/d");
        assert_eq!(problem(config.validate()), "");
        config.reader_url = Secret::new("postgres://a:b@e/d".to_owned());
        assert_eq!(problem(config.validate_with_reader()), "");
        assert!(problem(config.validate()).contains("postgres.reader_url"));
        config.reader_url_file = "/somewhere".into();
        assert!(problem(config.validate_with_reader()).contains("not both"));
        assert!(problem(config.validate()).contains("postgres.reader_url"));
    }

    #[test]
    fn bound_of_staleness_is_two_seconds_to_ten_minutes() {
        let mut config = PostgresConfig::for_test("postgres://a:b@c/d");
        for (millis, fits) in [(1_999, false), (2_000, true), (600_000, true), (600_001, false)] {
            config.max_reader_lag = Duration::from_millis(millis);
            assert_eq!(problem(config.validate_with_reader()).is_empty(), fits, "{millis}");
        }
    }
}
