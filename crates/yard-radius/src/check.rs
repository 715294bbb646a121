//! What may stand in the configuration: nothing that its syntax or its expansions would read.

use std::fmt;
use std::net::IpAddr;

use crate::RadiusServer;

/// A value that cannot be written into the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable(String);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unusable {}

fn wrong(problem: &str) -> Result<(), Unusable> {
    Err(Unusable(problem.to_owned()))
}

fn is_token(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (32..=128).contains(&text.len()) && text.bytes().all(plain)
}

fn is_path(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._+-".contains(&b);
    text.starts_with('/') && text.len() <= 1_024 && text.bytes().all(plain)
}

fn is_http(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"[]:.-".contains(&b);
    let host = text.strip_prefix("http://");
    host.is_some_and(|host| (1..=255).contains(&host.len()) && host.bytes().all(plain))
}

fn is_network(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_not_one) => return false,
    };
    let plain = bits.bytes().all(|b| b.is_ascii_digit());
    plain && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

impl RadiusServer {
    pub(crate) fn check(&self) -> Result<(), Unusable> {
        if !is_path(&self.folder) || !is_path(&self.modules) {
            return wrong("folders have to be absolute, of letters, digits and / . _ + -");
        }
        if !is_http(&self.auth_url) {
            return wrong("auth's address has to be http://host:port without a path");
        }
        if !is_token(&self.token) || !is_token(&self.status_secret) {
            return wrong("tokens have to be 32 to 128 letters, digits, - and _");
        }
        if self.networks.is_empty() || !self.networks.iter().all(|network| is_network(network)) {
            return wrong("networks have to be like 10.0.0.0/8 or 2001:db8::/32, one at least");
        }
        if self.port == 0 || self.status_port == 0 || self.client_lifetime == 0 {
            return wrong("ports and the time between look-ups cannot be 0");
        }
        if self.reject_delay > 5 {
            return wrong("a refusal can be held back for 5 seconds at most");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> RadiusServer {
        RadiusServer {
            folder: "/etc/switchyard/radius".to_owned(),
            modules: "/usr/lib/freeradius".to_owned(),
            auth_url: "http://127.0.0.1:1880".to_owned(),
            token: "a".repeat(32),
            listen: IpAddr::from([0, 0, 0, 0]),
            port: 1812,
            networks: vec!["10.0.0.0/8".to_owned(), "2001:db8::/32".to_owned()],
            client_lifetime: 60,
            reject_delay: 1,
            status_port: 1899,
            status_secret: "b".repeat(32),
            vendor: Some(4_711),
        }
    }

    #[test]
    fn usable_values_leave_no_name_unfilled() {
        let files = server().files().unwrap();
        for (name, text) in &files {
            assert!(!text.contains('@'), "{name}:\n{text}");
        }
        let all: String = files.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(all.matches("dynamic_clients = yard_clients").count(), 2);
        assert!(all.contains("&FreeRADIUS-Client-Require-MA := yes"));
        assert!(
            all.contains("VENDOR\t\tSwitchyard\t\t4711")
                && all.contains("&Switchyard-Tenant-ID :=")
        );
        let silent: String = RadiusServer { vendor: None, ..server() }
            .files()
            .unwrap()
            .into_iter()
            .map(|f| f.1)
            .collect();
        assert!(!silent.contains("Switchyard-Tenant-ID"));
    }

    #[test]
    fn values_that_the_configuration_would_read_are_refused() {
        let odd = |change: fn(&mut RadiusServer)| {
            let mut server = server();
            change(&mut server);
            server.files().is_err()
        };
        assert!(odd(|s| s.folder = "/etc/$ENV{X}".to_owned()));
        assert!(odd(|s| s.folder = "etc".to_owned()));
        assert!(odd(|s| s.auth_url = "http://x/%{User-Name}".to_owned()));
        assert!(odd(|s| s.auth_url = "https://x\n}".to_owned()));
        assert!(odd(|s| s.token = "short".to_owned()));
        assert!(odd(|s| s.token = format!("{}\"", "a".repeat(32))));
        assert!(odd(|s| s.status_secret.push('"')));
        assert!(odd(|s| s.networks.clear()));
        assert!(odd(|s| s.networks = vec!["10.0.0.1".to_owned()]));
        assert!(odd(|s| s.networks = vec!["10.0.0.0/33".to_owned()]));
        assert!(odd(|s| s.networks = vec!["10.0.0.0/+8".to_owned()]));
        assert!(odd(|s| s.port = 0));
        assert!(odd(|s| s.reject_delay = 6));
    }
}
