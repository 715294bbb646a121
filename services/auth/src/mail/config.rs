use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::{Host, Url};
use yard_runtime::{ConfigError, Secret};

use super::{compose, transport};

/// Mail to people.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// The mail server; empty for none.
    pub smtp_url: Secret,
    /// A file that holds the URL.
    pub smtp_url_file: PathBuf,
    /// What the mail server's certificate is checked against; empty for the system's authorities.
    pub ca_file: PathBuf,
    /// Whom mails come from.
    pub from: String,
    /// Where people reach the console.
    pub console_url: String,
    /// Language of mails to people whose own is not known.
    pub locale: String,
    /// How long the mail server may take for each step.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

impl MailConfig {
    /// The URL, from whichever of the two options has it; `None` when neither has.
    pub(super) fn resolve_url(&self) -> Result<Option<Secret>, ConfigError> {
        match (self.smtp_url.is_empty(), self.smtp_url_file.as_os_str().is_empty()) {
            (true, true) => Ok(None),
            (false, true) => Ok(Some(self.smtp_url.clone())),
            (true, false) => Secret::from_file("mail.smtp_url_file", &self.smtp_url_file).map(Some),
            (false, false) => {
                Err(ConfigError::new("mail.smtp_url", "give it or mail.smtp_url_file, not both"))
            }
        }
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        if let Some(url) = self.resolve_url()? {
            transport::check(&url)?;
        }
        compose::sender(&self.from)?;
        if !is_console(&self.console_url) {
            let rule = "has to be https://host, or http:// to this machine, without a path";
            return Err(ConfigError::new("mail.console_url", rule));
        }
        if !matches!(self.locale.as_str(), "en" | "de") {
            return Err(ConfigError::new("mail.locale", "has to be en or de"));
        }
        if self.timeout < Duration::from_secs(1) || self.timeout > Duration::from_secs(60) {
            return Err(ConfigError::new("mail.timeout", "has to be 1 s to 60 s"));
        }
        Ok(())
    }
}

/// Links let people in, so nobody may read them on their way.
fn is_console(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    let scheme = url.scheme() == "https" || (url.scheme() == "http" && here);
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    scheme && bare && url.username().is_empty() && url.password().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn console_is_reached_by_https_unless_it_is_here() {
        for good in ["https://yard.example", "https://yard.example:8443/", "http://127.0.0.1:8070"]
        {
            assert!(is_console(good), "{good}");
        }
        for bad in [
            "http://yard.example",
            "yard.example",
            "https://",
            "https://yard.example/app",
            "https://yard.example?x",
            "https://yard.example#x",
            "https://user@yard.example",
            "javascript:alert(1)",
        ] {
            assert!(!is_console(bad), "{bad}");
        }
    }
}
