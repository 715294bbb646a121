use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use url::Url;
use yard_limits::Network;
use yard_runtime::ConfigError;

/// Longest URL, bytes.
const LONGEST: usize = 2_048;

/// Which addresses are asked. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Guard {
    allowed: Arc<[Network]>,
    plain_http: bool,
}

impl Guard {
    /// Admits what is public and what lies in `allowed`; `plain_http` admits URLs without TLS.
    #[must_use]
    pub fn new(allowed: Vec<Network>, plain_http: bool) -> Self {
        Self { allowed: allowed.into(), plain_http }
    }

    /// Of the options `allowed_networks` and `plain_http` of a section.
    ///
    /// # Errors
    /// Names the option: a network that is none, or `plain_http` in staging or production.
    pub fn of_config(
        section: &str,
        allowed_networks: &[String],
        plain_http: bool,
        environment: &str,
    ) -> Result<Self, ConfigError> {
        let mut allowed = Vec::with_capacity(allowed_networks.len());
        for text in allowed_networks {
            let problem = || format!("has {text:?}, which is no network like 10.1.0.0/16");
            let option = || format!("{section}.allowed_networks");
            let network = Network::parse(text);
            allowed.push(network.ok_or_else(|| ConfigError::new(option(), problem()))?);
        }
        if plain_http && !["development", "test"].contains(&environment) {
            let problem = "is for runtime.environment \"development\" and \"test\" alone";
            return Err(ConfigError::new(format!("{section}.plain_http"), problem));
        }
        Ok(Self::new(allowed, plain_http))
    }

    /// Whether an address may be asked: a public one, or one that the operator allows.
    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        is_public(address) || self.allowed.iter().any(|network| network.holds(address))
    }

    /// Reads a URL that may be asked or sent to, as far as it says so itself. A name's addresses are
    /// looked at when it is resolved.
    #[must_use]
    pub fn url(&self, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok().filter(|_| text.len() <= LONGEST)?;
        let scheme = url.scheme() == "https" || (self.plain_http && url.scheme() == "http");
        let plain = url.username().is_empty() && url.password().is_none();
        let host = url.host_str().filter(|_| scheme && plain && url.fragment().is_none())?;
        let literal = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let admitted = literal.is_none_or(|address| self.admits(address));
        admitted.then_some(url)
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// Without the IANA registry of special-purpose addresses.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        [0 | 10 | 127 | 224..=255, ..]
        | [169, 254, ..]
        | [192, 168, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => true,
        [100, second, ..] => (64..128).contains(&second),
        [172, second, ..] => (16..32).contains(&second),
        _ => false,
    };
    !special
}

/// Global unicast without what holds IPv4 addresses or is for documentation.
fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        [0x2001, 0x0db8, ..] | [0x2001, 0..=0x01ff, ..] | [0x2002, ..] | [0x3fff, ..] => false,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_asked_unless_allowed() {
        let guard = Guard::new(vec![Network::parse("10.1.0.0/16").unwrap()], false);
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
        ] {
            assert!(!guard.admits(address.parse().unwrap()), "{address}");
        }
        for address in
            ["8.8.8.8", "100.63.0.1", "172.32.0.1", "192.0.1.1", "2606:4700::1", "10.1.2.3"]
        {
            assert!(guard.admits(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn options_that_cannot_hold_are_named() {
        let guard = |networks: &[&str], plain, environment| {
            let networks: Vec<String> = networks.iter().map(|&text| text.to_owned()).collect();
            Guard::of_config("hooks", &networks, plain, environment)
        };
        for environment in ["development", "test"] {
            assert!(guard(&["10.1.0.0/16"], true, environment).is_ok());
        }
        let network = guard(&["10.1.0.0/33"], false, "production").unwrap_err().to_string();
        assert!(network.contains("hooks.allowed_networks"), "{network}");
        for environment in ["staging", "production", "Test", ""] {
            let plain = guard(&[], true, environment).unwrap_err().to_string();
            assert!(plain.contains("hooks.plain_http"), "{plain}");
        }
    }

    #[test]
    fn url_says_https_and_a_host_that_may_be_asked() {
        let guard = Guard::new(Vec::new(), false);
        assert!(guard.url("https://idp.example/x?y").is_some());
        for url in [
            "http://idp.example/",
            "ftp://idp.example/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://u:p@idp.example/",
            "/x",
            "https://idp.example/#x",
            "javascript:alert(1)",
            "file:///etc/passwd",
        ] {
            assert!(guard.url(url).is_none(), "{url}");
        }
        let test = Guard::new(vec![Network::parse("127.0.0.0/8").unwrap()], true);
        assert!(test.url("http://127.0.0.1:1/").is_some());
        assert!(test.url("http://10.0.0.1/").is_none());
    }
}
