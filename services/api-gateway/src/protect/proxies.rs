use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use yard_limits::Network;
use yard_runtime::ConfigError;

/// What is kept of a forwarding header for operators to see.
const SHOWN: usize = 1_024;

/// Which header proxies say the client's address in. Exactly one is read: a proxy sets one of them
/// and passes the other through as the client wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: client, proxy`.
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239).
    Forwarded,
}

impl ForwardedHeader {
    /// As it is sent.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }
}

/// Proxies whose word about the client's address is believed.
#[derive(Debug, Clone)]
pub(crate) struct Proxies {
    networks: Arc<[Network]>,
    header: ForwardedHeader,
}

/// Where a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The right-most address that no proxy of ours vouches for.
    pub(crate) client: IpAddr,
    /// Who opened the connection.
    pub(crate) peer: IpAddr,
    /// Whether the peer is a proxy of ours.
    pub(crate) trusted: bool,
}

impl Proxies {
    /// Reads `http.trusted_proxies`.
    ///
    /// # Errors
    /// For what is no network, and for networks so wide that strangers are in them: whoever is
    /// believed can take any address.
    pub(crate) fn parse(list: &[String], header: ForwardedHeader) -> Result<Self, ConfigError> {
        let refuse =
            |text: &str, why| ConfigError::new("http.trusted_proxies", format!("{text:?} {why}"));
        let networks = list.iter().map(|text| {
            let network =
                Network::parse(text).ok_or_else(|| refuse(text, "is no address or network"))?;
            // fc00::/7 and 10.0.0.0/8 are the widest networks that are private.
            let widest = if network.is_v6() { 7 } else { 8 };
            if network.prefix() < widest {
                return Err(refuse(text, "would let strangers name any address as theirs"));
            }
            Ok(network)
        });
        Ok(Self { networks: networks.collect::<Result<_, _>>()?, header })
    }

    /// Where a request comes from: the header is read from the right, for as long as each hop is a
    /// proxy of ours. What stands left of the first stranger is a stranger's word.
    pub(crate) fn origin(&self, peer: SocketAddr, headers: &HeaderMap) -> Origin {
        let peer = peer.ip().to_canonical();
        let trusted = self.trusts(peer);
        let mut client = peer;
        if trusted {
            for hop in self.hops(headers).into_iter().rev() {
                let Some(address) = hop else {
                    break;
                };
                client = address;
                if !self.trusts(client) {
                    break;
                }
            }
        }
        Origin { client, peer, trusted }
    }

    /// What the header says, for operators.
    pub(crate) fn said(&self, headers: &HeaderMap) -> String {
        let lines: Vec<String> = headers
            .get_all(self.header.name())
            .into_iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        lines.join(", ").chars().filter(char::is_ascii_graphic).take(SHOWN).collect()
    }

    /// Which header is read.
    pub(crate) const fn header(&self) -> ForwardedHeader {
        self.header
    }

    /// Whether no proxy is trusted.
    pub(crate) fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// Whether an address is a proxy of ours.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.holds(address))
    }

    fn hops(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        let lines =
            headers.get_all(self.header.name()).into_iter().map(|v| v.to_str().unwrap_or(""));
        let items = lines.flat_map(|line| line.split(',')).map(str::trim);
        match self.header {
            ForwardedHeader::XForwardedFor => items.map(address).collect(),
            ForwardedHeader::Forwarded => items.map(forwarded_for).collect(),
        }
    }
}

/// `for=192.0.2.7;proto=https`, `for="[2001:db8::7]:4711"`. `unknown` and names are no address.
fn forwarded_for(item: &str) -> Option<IpAddr> {
    let pairs = item.split(';').filter_map(|pair| pair.trim().split_once('='));
    let mut pairs = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let (_, value) = pairs.next()?;
    address(value.trim().trim_matches('"'))
}

/// An address, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let parsed = match bracketed {
        Some((inside, _port)) => inside.parse().ok(),
        None => text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|at| at.ip())),
    };
    parsed.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_by(header: ForwardedHeader, proxies: &[&str], peer: &str, said: &str) -> String {
        let list: Vec<_> = proxies.iter().map(|&p| p.to_owned()).collect();
        let mut headers = HeaderMap::new();
        headers.insert(header.name(), said.parse().unwrap());
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        Proxies::parse(&list, header).unwrap().origin(peer, &headers).client.to_string()
    }

    fn client(proxies: &[&str], peer: &str, forwarded: &str) -> String {
        client_by(ForwardedHeader::XForwardedFor, proxies, peer, forwarded)
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
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", "203.0.113.9:4711"), "203.0.113.9");
        assert_eq!(client(&["fd00::/8"], "fd00::1", "2001:db8::7"), "2001:db8::7");
        assert_eq!(client(&["127.0.0.1"], "::ffff:127.0.0.1", "203.0.113.9"), "203.0.113.9");
    }

    #[test]
    fn forwarded_field_is_read_from_the_right_and_only_where_it_is_the_one_in_use() {
        let by = |said| client_by(ForwardedHeader::Forwarded, &["10.0.0.0/8"], "10.0.0.1", said);
        assert_eq!(by("for=203.0.113.9;proto=https"), "203.0.113.9");
        assert_eq!(by("for=6.6.6.6, For=\"203.0.113.9:80\", for=10.2.3.4"), "203.0.113.9");
        assert_eq!(by("for=\"[2001:db8::7]:4711\""), "2001:db8::7");
        assert_eq!(by("for=203.0.113.9, for=unknown"), "10.0.0.1");
        assert_eq!(by("for=203.0.113.9, for=_hidden"), "10.0.0.1");
        assert_eq!(by("proto=https"), "10.0.0.1");
        // A client's own X-Forwarded-For says nothing where proxies set Forwarded.
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "6.6.6.6".parse().unwrap());
        let proxies =
            Proxies::parse(&["10.0.0.0/8".to_owned()], ForwardedHeader::Forwarded).unwrap();
        let origin = proxies.origin("10.0.0.1:1".parse().unwrap(), &headers);
        assert_eq!(origin.client.to_string(), "10.0.0.1");
        assert!(origin.trusted);
    }

    #[test]
    fn network_that_is_none_or_holds_strangers_refuses_to_start() {
        let parse = |text: &str| {
            Proxies::parse(&[text.to_owned()], ForwardedHeader::XForwardedFor).map(drop)
        };
        for text in ["localhost", "10.0.0.0/33", "0.0.0.0/0", "::/0", "10.0.0.0/7", "2000::/3"] {
            let problem = parse(text).unwrap_err().to_string();
            assert!(problem.contains("http.trusted_proxies"), "{text}: {problem}");
        }
        for text in ["10.0.0.0/8", "fc00::/7", "192.0.2.7"] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }
}
