use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::HeaderMap;
use yard_runtime::ConfigError;

/// Proxies whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone)]
pub(crate) struct Proxies(Arc<[Network]>);

#[derive(Debug, Clone, Copy)]
struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Proxies {
    /// Reads `http.trusted_proxies`.
    pub(crate) fn parse(list: &[String]) -> Result<Self, ConfigError> {
        let networks = list.iter().map(|text| {
            Network::parse(text).ok_or_else(|| {
                ConfigError::new(
                    "http.trusted_proxies",
                    format!("{text:?} is no address or network"),
                )
            })
        });
        Ok(Self(networks.collect::<Result<_, _>>()?))
    }

    /// The address of the client: the last one that a proxy of ours did not vouch for.
    pub(crate) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.ip().to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let lines = headers.get_all("x-forwarded-for").into_iter().filter_map(|v| v.to_str().ok());
        let hops: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
        let mut client = peer;
        for hop in hops.into_iter().rev() {
            let Ok(address) = hop.parse::<IpAddr>() else {
                break;
            };
            client = address.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.holds(address))
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse().ok()?, Some(prefix.parse().ok()?)),
            None => (text.parse().ok()?, None),
        };
        let widest = if matches!(address, IpAddr::V4(_)) { 32 } else { 128 };
        let prefix = prefix.unwrap_or(widest);
        (prefix <= widest).then_some(Self { address, prefix })
    }

    fn holds(self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u8| {
            let cut = u32::from(width - self.prefix);
            a.checked_shr(cut).unwrap_or(0) == b.checked_shr(cut).unwrap_or(0)
        };
        match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(proxies: &[&str], peer: &str, forwarded: &str) -> String {
        let list: Vec<_> = proxies.iter().map(|&p| p.to_owned()).collect();
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        Proxies::parse(&list).unwrap().client(peer, &headers).to_string()
    }

    #[test]
    fn forwarded_address_is_believed_from_trusted_proxies_only() {
        assert_eq!(client(&[], "10.0.0.1", "203.0.113.9"), "10.0.0.1");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", "203.0.113.9"), "203.0.113.9");
        assert_eq!(
            client(&["10.0.0.0/8"], "10.0.0.1", "6.6.6.6, 203.0.113.9, 10.2.3.4"),
            "203.0.113.9"
        );
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", "203.0.113.9, junk"), "10.0.0.1");
        assert_eq!(client(&["fd00::/8"], "fd00::1", "2001:db8::7"), "2001:db8::7");
        assert_eq!(client(&["127.0.0.1"], "::ffff:127.0.0.1", "203.0.113.9"), "203.0.113.9");
    }

    #[test]
    fn wrong_network_refuses_to_start() {
        for text in ["10.0.0.0/33", "localhost", "10.0.0.0/", "::/129"] {
            assert!(Proxies::parse(&[text.to_owned()]).is_err(), "{text}");
        }
    }
}
