use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use yard_authn::IdentityConfig;
pub use yard_limits::RedisConfig;
use yard_messaging::NatsConfig;
use yard_pg::PostgresConfig;
use yard_runtime::{ConfigError, RuntimeConfig, ServiceConfig};

pub use crate::aaa::RadiusConfig;
pub use crate::federation::FederationConfig;
use crate::keys::Rules;
pub use crate::mail::MailConfig;
pub use crate::passkeys::PasskeysConfig;
pub use crate::registration::RegistrationConfig;

/// The documented defaults, as TOML.
pub const DEFAULT_CONFIG: &str = include_str!("../config/default.toml");

/// Everything auth can be told; `config/default.toml` explains each option.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[runtime]`
    pub runtime: RuntimeConfig,
    /// `[grpc]`
    pub grpc: ListenConfig,
    /// `[http]`
    pub http: ListenConfig,
    /// `[postgres]`
    pub postgres: PostgresConfig,
    /// `[redis]`
    pub redis: RedisConfig,
    /// `[nats]`
    pub nats: NatsConfig,
    /// `[identity]`
    pub identity: IdentityConfig,
    /// `[sealing]`
    pub sealing: SealingConfig,
    /// `[issuer]`
    pub issuer: IssuerConfig,
    /// `[keys]`
    pub keys: KeysConfig,
    /// `[audit]`
    pub audit: AuditConfig,
    /// `[device_ca]`
    pub device_ca: DeviceCaConfig,
    /// `[est]`
    pub est: EstConfig,
    /// `[mqtt]`
    pub mqtt: MqttConfig,
    /// `[sessions]`
    pub sessions: SessionsConfig,
    /// `[throttle]`
    pub throttle: ThrottleConfig,
    /// `[factors]`
    pub factors: FactorsConfig,
    /// `[passkeys]`
    pub passkeys: PasskeysConfig,
    /// `[mail]`
    pub mail: MailConfig,
    /// `[federation]`
    pub federation: FederationConfig,
    /// `[registration]`
    pub registration: RegistrationConfig,
    /// `[radius]`
    pub radius: RadiusConfig,
}

/// A listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenConfig {
    /// Address and port; port 0 takes any.
    pub listen: SocketAddr,
}

/// What auth has to be able to read again lies sealed in the database.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealingConfig {
    /// One `kid:base64 of 32 bytes` a line; the first seals, all open.
    pub key_file: PathBuf,
}

/// The issuer of people's access tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// The first key: Ed25519, PKCS#8 PEM.
    pub key_file: PathBuf,
    /// The platform's public address, for OAuth clients; empty serves none.
    pub public_url: String,
}

impl IssuerConfig {
    /// Without a slash at its end.
    pub(crate) fn url(&self) -> Result<String, ConfigError> {
        let url = self.public_url.as_str();
        let bare = |rest: &str| !rest.is_empty() && !rest.contains(['/', '?', '#', '@']);
        let secure = url.strip_prefix("https://").is_some_and(bare);
        // Tests and a developer's machine.
        let loopback = url.strip_prefix("http://").filter(|rest| bare(rest)).is_some_and(|rest| {
            let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host);
            ["127.0.0.1", "[::1]", "localhost"].contains(&host)
        });
        if url.is_empty() || secure || loopback {
            return Ok(url.to_owned());
        }
        let problem = "has to be https://host[:port] without a path, or empty";
        Err(ConfigError::new("issuer.public_url", problem))
    }
}

/// The life of signing keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysConfig {
    /// From the activation of one key to that of the next.
    #[serde(with = "humantime_serde")]
    pub rotate_every: Duration,
    /// How long a key is published before it signs.
    #[serde(with = "humantime_serde")]
    pub publish_for: Duration,
    /// How long a key is published after it has signed.
    #[serde(with = "humantime_serde")]
    pub retire_for: Duration,
}

impl KeysConfig {
    pub(crate) fn rules(&self) -> Result<Rules, ConfigError> {
        let read = |option: &str, time: Duration| {
            time::Duration::try_from(time)
                .map_err(|_e| ConfigError::new(option, "is out of all bounds"))
        };
        Ok(Rules {
            rotate_every: read("keys.rotate_every", self.rotate_every)?,
            publish_for: read("keys.publish_for", self.publish_for)?,
            retire_for: read("keys.retire_for", self.retire_for)?,
        })
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let wrong = |option: &str, rule: &str| Err(ConfigError::new(option, rule));
        // Clients may cache the key set for 5 minutes, and ask late once.
        if self.publish_for < Duration::from_secs(600) {
            return wrong("keys.publish_for", "has to be at least 10 min");
        }
        // Tokens live 5 minutes at most, and clocks differ.
        if self.retire_for < Duration::from_secs(600) {
            return wrong("keys.retire_for", "has to be at least 10 min");
        }
        if self.rotate_every < self.publish_for + self.retire_for {
            return wrong("keys.rotate_every", "is too short for publish_for and retire_for");
        }
        if self.rotate_every > Duration::from_secs(366 * 86_400) {
            return wrong("keys.rotate_every", "has to be at most a year");
        }
        Ok(())
    }
}

/// The audit trail.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditConfig {
    /// Ed25519, PKCS#8 PEM; signs roots and exports.
    pub root_key_file: PathBuf,
    /// Between two roots.
    #[serde(with = "humantime_serde")]
    pub root_interval: Duration,
    /// How long entries are kept; zero keeps them for ever.
    #[serde(with = "humantime_serde")]
    pub retention: Duration,
}

impl AuditConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        let interval = self.root_interval;
        if interval < Duration::from_millis(100) || interval > Duration::from_secs(3_600) {
            return Err(ConfigError::new("audit.root_interval", "has to be 100 ms to 1 h"));
        }
        let days = self.retention.as_secs() / 86_400;
        if !self.retention.is_zero() && !(30..=36_500).contains(&days) {
            return Err(ConfigError::new("audit.retention", "has to be 0 or 30 to 36500 days"));
        }
        Ok(())
    }
}

/// The CA of device certificates.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceCaConfig {
    /// Certificate, PEM.
    pub cert_file: PathBuf,
    /// Private key, PKCS#8 PEM.
    pub key_file: PathBuf,
    /// The CA that will sign next, trusted already; empty for none.
    pub next_cert_file: PathBuf,
    /// Its private key.
    pub next_key_file: PathBuf,
    /// The CA that signed before, trusted still; empty for none.
    pub previous_cert_file: PathBuf,
    /// Its private key.
    pub previous_key_file: PathBuf,
    /// Key ids of CAs that were given up with certificates in force.
    pub abandoned: Vec<String>,
    /// Revocation list for a broker on the same machine; empty writes none.
    pub crl_file: PathBuf,
    /// Trust domain of the SPIFFE ids in certificates.
    pub trust_domain: String,
    /// Where certificates say that the revocation list is; empty leaves it out.
    pub crl_url: String,
}

impl DeviceCaConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        let domain = self.trust_domain.as_str();
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
        if domain.is_empty() || domain.len() > 200 || !domain.bytes().all(plain) {
            let problem = "1 to 200 lower-case letters, digits, - . _";
            return Err(ConfigError::new("device_ca.trust_domain", problem));
        }
        let url = self.crl_url.as_str();
        let usable = url.is_empty() || url.starts_with("http://") || url.starts_with("https://");
        if !usable || url.len() > 512 || !url.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ConfigError::new(
                "device_ca.crl_url",
                "has to be an http(s) URL, or empty",
            ));
        }
        Ok(())
    }
}

/// The EST listener; without a certificate there is none.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EstConfig {
    /// Address and port; port 0 takes any.
    pub listen: SocketAddr,
    /// The listener's certificate and what stands above it, PEM; empty for no listener.
    pub cert_file: PathBuf,
    /// Its private key, PEM.
    pub key_file: PathBuf,
}

impl EstConfig {
    pub(crate) fn is_wanted(&self) -> bool {
        !self.cert_file.as_os_str().is_empty()
    }

    fn validate(&self) -> Result<(), ConfigError> {
        if self.is_wanted() == self.key_file.as_os_str().is_empty() {
            return Err(ConfigError::new("est.key_file", "goes together with est.cert_file"));
        }
        Ok(())
    }
}

/// The broker as devices reach it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MqttConfig {
    /// Host name or address.
    pub host: String,
    /// TLS port.
    pub port: u16,
}

/// Sessions and password checks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionsConfig {
    /// From sign-in to the end, used or not.
    #[serde(with = "humantime_serde")]
    pub lifetime: Duration,
    /// From the last use to the end.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// Password checks at the same time.
    pub hashing_threads: usize,
    /// Sign-ins that may wait for one.
    pub hashing_queue: usize,
}

/// Login limits; each is a burst and the interval at which one attempt more is granted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThrottleConfig {
    /// One account from one address.
    pub pair_burst: u32,
    /// See `pair_burst`.
    #[serde(with = "humantime_serde")]
    pub pair_interval: Duration,
    /// One account from everywhere.
    pub account_burst: u32,
    /// See `account_burst`.
    #[serde(with = "humantime_serde")]
    pub account_interval: Duration,
    /// All accounts from one address.
    pub source_burst: u32,
    /// See `source_burst`.
    #[serde(with = "humantime_serde")]
    pub source_interval: Duration,
    /// Codes of an authenticator app for one account from one address.
    pub factor_burst: u32,
    /// See `factor_burst`.
    #[serde(with = "humantime_serde")]
    pub factor_interval: Duration,
    /// The same from everywhere but the owner's addresses.
    pub factor_account_burst: u32,
    /// See `factor_account_burst`.
    #[serde(with = "humantime_serde")]
    pub factor_account_interval: Duration,
}

/// Second factors.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactorsConfig {
    /// What authenticator apps show beside the account.
    pub issuer: String,
}

impl FactorsConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        let odd = |c: char| c.is_control() || c == ':';
        if self.issuer.is_empty() || self.issuer.len() > 64 || self.issuer.contains(odd) {
            return Err(ConfigError::new("factors.issuer", "has to be 1 to 64 bytes, no colon"));
        }
        Ok(())
    }
}

impl ThrottleConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        for (name, burst, interval) in [
            ("pair", self.pair_burst, self.pair_interval),
            ("account", self.account_burst, self.account_interval),
            ("source", self.source_burst, self.source_interval),
            ("factor", self.factor_burst, self.factor_interval),
            ("factor_account", self.factor_account_burst, self.factor_account_interval),
        ] {
            if !(1..=100_000).contains(&burst) {
                let option = format!("throttle.{name}_burst");
                return Err(ConfigError::new(option, "has to be 1 to 100000"));
            }
            // Longer, and a burst used up would keep its owner out for too long.
            if interval < Duration::from_millis(1) || interval > Duration::from_secs(300) {
                let option = format!("throttle.{name}_interval");
                return Err(ConfigError::new(option, "has to be 1 ms to 5 min"));
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
        self.postgres.validate_with_reader()?;
        self.redis.resolve_url()?;
        self.nats.validate()?;
        self.throttle.validate()?;
        self.factors.validate()?;
        self.keys.validate()?;
        if self.issuer.url()?.starts_with("http://") && self.runtime.is_live() {
            let problem = "has to be https://… where runtime.environment is staging or production";
            return Err(ConfigError::new("issuer.public_url", problem));
        }
        self.audit.validate()?;
        self.device_ca.validate()?;
        self.est.validate()?;
        self.mail.validate()?;
        self.federation.validate(&self.runtime.environment)?;
        self.registration.validate()?;
        self.radius.validate(self.runtime.is_live())?;
        self.passkeys.resolve(&self.mail.console_url)?;
        let lifetime = self.sessions.lifetime.as_secs();
        if !(60..=30 * 86_400).contains(&lifetime) {
            return Err(ConfigError::new("sessions.lifetime", "has to be 1 min to 30 days"));
        }
        // Uses are noted once a minute.
        if !(300..=lifetime.max(300)).contains(&self.sessions.idle.as_secs()) {
            return Err(ConfigError::new("sessions.idle", "has to be 5 min to sessions.lifetime"));
        }
        if !(1..=64).contains(&self.sessions.hashing_threads) {
            return Err(ConfigError::new("sessions.hashing_threads", "has to be 1 to 64"));
        }
        if self.sessions.hashing_queue > 10_000 {
            return Err(ConfigError::new("sessions.hashing_queue", "has to be 0 to 10000"));
        }
        if self.mqtt.host.is_empty() || self.mqtt.port == 0 {
            return Err(ConfigError::new("mqtt.host", "host and port have to be given"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use yard_runtime::config::load;

    use super::*;

    fn refused(text: &str) -> String {
        load::<Config>("auth", text, None).unwrap_err().to_string()
    }

    fn complete() -> String {
        DEFAULT_CONFIG.replace("\nurl = \"\"", "\nurl = \"redis://127.0.0.1:1\"")
    }

    #[test]
    fn mail_options_are_checked_before_anything_starts() {
        for (good, bad, option) in [
            ("smtp_url = \"\"", "smtp_url = \"smtp+plain://mail.example.org\"", "mail.smtp_url"),
            ("no-reply@localhost>", "no-reply", "mail.from"),
            ("http://localhost:8070", "localhost:8070", "mail.console_url"),
            ("locale = \"en\"", "locale = \"english, please\"", "mail.locale"),
            ("timeout = \"20s\"", "timeout = \"0s\"", "mail.timeout"),
        ] {
            assert!(DEFAULT_CONFIG.contains(good), "{good}");
            let problem = refused(&complete().replace(good, bad));
            assert!(problem.contains(option), "{problem}");
        }
    }

    #[test]
    fn defaults_with_the_urls_are_usable() {
        assert!(load::<Config>("auth", &complete(), None).is_ok());
    }

    #[test]
    fn missing_and_wrong_options_are_named_in_one_line() {
        let missing = refused(DEFAULT_CONFIG);
        assert!(missing.contains("postgres.url"), "{missing}");
        let forever = refused(&complete().replace("\"12h\"", "\"90d\""));
        assert!(forever.contains("sessions.lifetime"), "{forever}");
        let lock_out = refused(&complete().replace("\"30s\"", "\"1h\""));
        assert!(lock_out.contains("throttle.pair_interval"), "{lock_out}");
        let scheme = refused(&complete().replace("redis://", "http://"));
        assert!(scheme.contains("redis.url"), "{scheme}");
        let hasty = refused(&complete().replace("publish_for = \"20m\"", "publish_for = \"5m\""));
        assert!(hasty.contains("keys.publish_for"), "{hasty}");
        let domain = refused(&complete().replace("\"switchyard\"", "\"a/b\""));
        assert!(domain.contains("device_ca.trust_domain"), "{domain}");
        let list = refused(&complete().replace("crl_url = \"\"", "crl_url = \"ldap://x\""));
        assert!(list.contains("device_ca.crl_url"), "{list}");
        for url in ["http://yard.example", "https://yard.example/", "https://a@b", "yard.example"] {
            let url = format!("public_url = \"{url}\"");
            let issuer = refused(&complete().replace("public_url = \"\"", &url));
            assert!(issuer.contains("issuer.public_url"), "{issuer}");
        }
        let here = "public_url = \"http://127.0.0.1:8070\"";
        let here = complete().replace("public_url = \"\"", here);
        let live = refused(&here.replace("\"development\"\n", "\"staging\"\n"));
        assert!(live.contains("issuer.public_url"), "{live}");
        let short = refused(&complete().replace("\"400d\"", "\"7d\""));
        assert!(short.contains("audit.retention"), "{short}");
        let colon = refused(&complete().replace("\"Switchyard\"", "\"a:b\""));
        assert!(colon.contains("factors.issuer"), "{colon}");
        let nets = "allowed_networks = [\"10.0.0.0/33\"]";
        let network = refused(&complete().replace("allowed_networks = []", nets));
        assert!(network.contains("federation.allowed_networks"), "{network}");
        let open = complete().replace("plain_http = false", "plain_http = true");
        let plain = refused(&open.replace("\"development\"\n", "\"production\"\n"));
        assert!(plain.contains("federation.plain_http"), "{plain}");
        let everywhere = complete().replace("127.0.0.1:1880", "0.0.0.0:1880");
        assert!(load::<Config>("auth", &everywhere, None).is_ok());
        let plain = refused(&everywhere.replace("\"development\"\n", "\"production\"\n"));
        assert!(plain.contains("radius.listen"), "{plain}");
        let unknown = refused(&complete().replace("lifetime =", "life ="));
        assert!(unknown.contains("life"), "{unknown}");
    }
}
