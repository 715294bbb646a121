use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address with the number of its leading bits that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    v6: bool,
    bits: u128,
    prefix: u8,
}

impl Network {
    /// Reads `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse().ok()?, Some(prefix.parse().ok()?)),
            None => (text.parse().ok()?, None),
        };
        let prefix = prefix.unwrap_or_else(|| width(address));
        (prefix <= width(address)).then(|| Self::of(address, prefix))
    }

    /// The network of `prefix` leading bits that an address is in.
    #[must_use]
    pub fn of(address: IpAddr, prefix: u8) -> Self {
        let (v6, bits) = match address {
            IpAddr::V4(v4) => (false, u128::from(v4.to_bits())),
            IpAddr::V6(v6) => (true, v6.to_bits()),
        };
        let cut = u32::from(width(address).saturating_sub(prefix));
        let bits = bits.checked_shr(cut).unwrap_or(0).checked_shl(cut).unwrap_or(0);
        Self { v6, bits, prefix }
    }

    /// Whether an address lies in it.
    #[must_use]
    pub fn holds(self, address: IpAddr) -> bool {
        self.v6 == address.is_ipv6() && Self::of(address, self.prefix) == self
    }

    /// The number of bits that count.
    #[must_use]
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// Whether it is one of IPv6.
    #[must_use]
    pub const fn is_v6(self) -> bool {
        self.v6
    }
}

const fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// As [`Network::parse`] reads it, with the bits that do not count cleared; a single address without
/// its prefix.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = if self.v6 {
            IpAddr::V6(Ipv6Addr::from_bits(self.bits))
        } else {
            IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(self.bits).unwrap_or_default()))
        };
        if self.prefix == width(address) {
            return write!(f, "{address}");
        }
        write!(f, "{address}/{}", self.prefix)
    }
}

/// What counts as one caller: an IPv4 address, or an IPv6 /64, because a customer has all of that
/// and can take any address in it.
#[must_use]
pub fn network(address: IpAddr) -> Network {
    let address = address.to_canonical();
    Network::of(address, if address.is_ipv4() { 32 } else { 64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_holds_its_addresses_and_no_other() {
        let holds = |network: &str, address: &str| {
            Network::parse(network).unwrap().holds(address.parse().unwrap())
        };
        assert!(holds("10.0.0.0/8", "10.255.0.1"));
        assert!(holds("10.9.9.9/8", "10.255.0.1"));
        assert!(!holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("192.0.2.7", "192.0.2.7"));
        assert!(!holds("192.0.2.7", "192.0.2.6"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!holds("::/0", "192.0.2.7"));
        assert!(holds("0.0.0.0/0", "192.0.2.7"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["10.0.0.0/33", "localhost", "10.0.0.0/", "::/129", "", "10.0.0.0/-1"] {
            assert!(Network::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn network_is_written_as_it_is_read_without_what_does_not_count() {
        let written = |text: &str| Network::parse(text).unwrap().to_string();
        assert_eq!(written("10.9.9.9/8"), "10.0.0.0/8");
        assert_eq!(written("192.0.2.7/32"), "192.0.2.7");
        assert_eq!(written("2001:db8:1:2:3::4/64"), "2001:db8:1:2::/64");
        assert_eq!(written("0.0.0.0/0"), "0.0.0.0/0");
    }

    fn of(address: &str) -> String {
        network(address.parse().unwrap()).to_string()
    }

    #[test]
    fn caller_is_an_ipv4_address_or_an_ipv6_network() {
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_ne!(of("192.0.2.7"), of("192.0.2.8"));
    }
}
