//! Where a tenant may have us ask: not inside our own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use yard_limits::Network;

/// Which addresses are asked.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    allowed: Arc<[Network]>,
    plain_http: bool,
}

impl Guard {
    pub(super) fn new(allowed: Vec<Network>, plain_http: bool) -> Self {
        Self { allowed: allowed.into(), plain_http }
    }

    /// Whether an address may be asked: a public one, or one that the operator allows.
    pub(super) fn admits(&self, address: IpAddr) -> bool {
        is_public(address) || self.allowed.iter().any(|network| network.holds(address))
    }

    /// Reads a URL that may be asked or sent to, as far as it says so itself. A name's addresses are
    /// looked at when it is resolved.
    pub(super) fn url(&self, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok().filter(|_| text.len() <= 2_048)?;
        let scheme = url.scheme() == "https" || (self.plain_http && url.scheme() == "http");
        let plain = url.username().is_empty() && url.password().is_none();
        let host = url.host_str().filter(|_| scheme && plain && url.fragment().is_none())?;
        let literal = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let admitted = literal.is_none_or(|address| self.admits(address));
        admitted.then_some(url)
    }
}

impl Resolve for Guard {
    /// The addresses that may be asked; the connection is made to one of these and no other, so that
    /// a name cannot mean something else the second time.
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let admitted: Vec<_> = found.filter(|at| guard.admits(at.ip())).collect();
            if admitted.is_empty() {
                return Err("the name has no address that may be asked".into());
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
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

    #[tokio::test]
    async fn name_of_an_inner_address_is_not_resolved() {
        let resolve = |guard: &Guard| guard.resolve("localhost".parse().unwrap());
        assert!(resolve(&Guard::new(Vec::new(), false)).await.is_err());
        let loopback = ["127.0.0.0/8", "::1"].map(|text| Network::parse(text).unwrap());
        assert!(resolve(&Guard::new(loopback.to_vec(), false)).await.is_ok());
    }
}
