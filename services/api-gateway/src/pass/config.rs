use serde::{Deserialize, Serialize};
use yard_runtime::ConfigError;

/// Section `[pass_through]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassThroughConfig {
    /// `host:port` of auth's HTTP listener; empty passes nothing through.
    pub upstream: String,
    /// Paths as they are, or, where one ends with a slash, everything below.
    pub paths: Vec<String>,
}

impl PassThroughConfig {
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let port = self.upstream.rsplit_once(':').and_then(|(_, p)| p.parse::<u16>().ok());
        if port.is_none() && !self.upstream.is_empty() {
            return Err(ConfigError::new("pass_through.upstream", "has to be host:port, or empty"));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._/".contains(&b);
        let wrong = self.paths.iter().find(|path| {
            let own = ["/", "/api/", "/app/"].iter().any(|taken| *path == taken)
                || path.starts_with("/api/")
                || path.starts_with("/app/");
            own || !path.starts_with('/') || path.contains("..") || !path.bytes().all(plain)
        });
        wrong.map_or(Ok(()), |path| {
            let problem = format!("{path:?} is no path, or one of ours");
            Err(ConfigError::new("pass_through.paths", problem))
        })
    }

    /// The path or folder that an address is under.
    pub(super) fn find(&self, path: &str) -> Option<&str> {
        let under = |one: &&String| {
            path == one.as_str() || (one.ends_with('/') && path.starts_with(one.as_str()))
        };
        let found = self.paths.iter().filter(|_| !self.upstream.is_empty()).find(under);
        // A server that reads `..` or `%2e` would be asked for something else.
        found.map(String::as_str).filter(|_| !path.contains("..") && !path.contains('%'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(paths: &[&str]) -> PassThroughConfig {
        PassThroughConfig {
            upstream: "127.0.0.1:7102".to_owned(),
            paths: paths.iter().map(|&path| path.to_owned()).collect(),
        }
    }

    #[test]
    fn address_passes_as_it_is_or_below_a_folder() {
        let config = config(&["/oauth2/", "/.well-known/keys.json"]);
        for (path, expected) in [
            ("/oauth2/token", Some("/oauth2/")),
            ("/oauth2/a/b", Some("/oauth2/")),
            ("/.well-known/keys.json", Some("/.well-known/keys.json")),
            ("/.well-known/keys.json/x", None),
            ("/oauth2", None),
            ("/oauth2x", None),
            ("/oauth2/../crl/device-ca.pem", None),
            ("/oauth2/%2e%2e/crl", None),
            ("/crl/device-ca.pem", None),
        ] {
            assert_eq!(config.find(path), expected, "{path}");
        }
        let none = PassThroughConfig { upstream: String::new(), ..config };
        assert_eq!(none.find("/oauth2/token"), None);
    }

    #[test]
    fn own_addresses_cannot_be_passed_through() {
        assert!(config(&["/oauth2/", "/.well-known/keys.json"]).validate().is_ok());
        for path in ["/", "/api/", "/api/x", "/app/", "oauth2/", "/a/../b", "/a?b", "/ä"] {
            let refused = config(&[path]).validate().unwrap_err().to_string();
            assert!(refused.contains("pass_through.paths"), "{path}: {refused}");
        }
        let portless = PassThroughConfig { upstream: "auth".to_owned(), paths: Vec::new() };
        assert!(portless.validate().is_err());
    }
}
