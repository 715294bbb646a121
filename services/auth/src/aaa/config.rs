use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use yard_limits::Limit;
use yard_runtime::{ConfigError, Secret};

/// The listener for the RADIUS server; without a token there is none.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RadiusConfig {
    /// Address and port; port 0 takes any. Passwords come here as people typed them.
    pub listen: SocketAddr,
    /// What the RADIUS server proves itself with; empty for no listener.
    pub token_file: PathBuf,
    /// Wrong passwords of one subscriber in a row.
    pub attempts_burst: u32,
    /// After which one more is granted.
    #[serde(with = "humantime_serde")]
    pub attempts_interval: Duration,
}

impl RadiusConfig {
    /// The token, if a listener is wanted.
    pub(super) fn token(&self) -> Result<Option<Secret>, ConfigError> {
        if self.token_file.as_os_str().is_empty() {
            return Ok(None);
        }
        let token = Secret::from_file("radius.token_file", &self.token_file)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let text = token.expose();
        // It is written into the RADIUS server's configuration as it is.
        if !(32..=128).contains(&text.len()) || !text.bytes().all(plain) {
            let problem = "has to hold 32 to 128 letters, digits, - and _";
            return Err(ConfigError::new("radius.token_file", problem));
        }
        Ok(Some(token))
    }

    pub(super) const fn attempts(&self) -> Limit {
        Limit { burst: self.attempts_burst, interval: self.attempts_interval }
    }

    pub(crate) fn validate(&self, live: bool) -> Result<(), ConfigError> {
        if live && !self.listen.ip().is_loopback() {
            let problem = "has to be on this machine where runtime.environment is staging or \
                           production: what is said there is not encrypted";
            return Err(ConfigError::new("radius.listen", problem));
        }
        if !(1..=10_000).contains(&self.attempts_burst) {
            return Err(ConfigError::new("radius.attempts_burst", "has to be 1 to 10000"));
        }
        let interval = self.attempts_interval;
        if interval < Duration::from_millis(1) || interval > Duration::from_secs(300) {
            return Err(ConfigError::new("radius.attempts_interval", "has to be 1 ms to 5 min"));
        }
        Ok(())
    }
}
