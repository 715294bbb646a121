use std::net::IpAddr;

use uuid::Uuid;
use yard_authn::Caller;
use yard_contracts::guard::v1::BanKind;
use yard_fault::{Code, Fault};
use yard_limits::{Network, network};

/// Whom a ban is about, checked and in the one form that everybody compares with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Address(Network),
    Token(Uuid),
    Person(Uuid),
}

/// The widest networks that can be banned: a registry gives no customer more.
const WIDEST_V4: u8 = 8;
const WIDEST_V6: u8 = 19;

impl Subject {
    /// Reads a request's kind and subject.
    pub(super) fn parse(kind: BanKind, text: &str) -> Result<Self, Fault> {
        let id = || Uuid::try_parse(text).map_err(|_e| wrong("has to be a UUID"));
        match kind {
            BanKind::Address => address(text).map(Self::Address),
            BanKind::Token => id().map(Self::Token),
            BanKind::Person => id().map(Self::Person),
            BanKind::Unspecified => {
                Err(Fault::invalid("kind has to be given").with_pointer("/kind"))
            }
        }
    }

    /// As the database has its kind.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::Token(_) => "token",
            Self::Person(_) => "person",
        }
    }

    /// As everybody compares with.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Address(network) => network.to_string(),
            Self::Token(id) | Self::Person(id) => id.as_hyphenated().to_string(),
        }
    }

    /// Refuses a ban that would keep out the operator who asks for it, and with them the lift.
    pub(super) fn spares(&self, caller: &Caller, client: Option<IpAddr>) -> Result<(), Fault> {
        let own = match self {
            Self::Address(network) => client.is_some_and(|address| network.holds(address)),
            Self::Token(id) => {
                let session = caller.session().map(|session| session.uuid());
                [session, caller.api_token()].contains(&Some(*id))
            }
            Self::Person(id) => caller.person().is_ok_and(|person| person.uuid() == *id),
        };
        if own { Err(Fault::new(Code::BanOwn).with_pointer("/subject")) } else { Ok(()) }
    }
}

/// A single IPv6 address stands for its /64.
fn address(text: &str) -> Result<Network, Fault> {
    if let Ok(single) = text.parse::<IpAddr>() {
        return Ok(network(single));
    }
    let network = Network::parse(text).ok_or_else(|| wrong("has to be an address or network"))?;
    let widest = if network.is_v6() { WIDEST_V6 } else { WIDEST_V4 };
    if network.prefix() < widest {
        return Err(wrong("may be no wider than a /8 (IPv6: a /19)"));
    }
    Ok(network)
}

fn wrong(what: &str) -> Fault {
    Fault::invalid(format!("subject {what}")).with_pointer("/subject")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subject_has_one_form_however_it_was_written() {
        let text = |kind, text: &str| Subject::parse(kind, text).map(|s| s.text()).ok();
        let address = |from| text(BanKind::Address, from);
        assert_eq!(address("192.0.2.7").as_deref(), Some("192.0.2.7"));
        assert_eq!(address("192.0.2.7/24").as_deref(), Some("192.0.2.0/24"));
        assert_eq!(address("::ffff:192.0.2.7").as_deref(), Some("192.0.2.7"));
        assert_eq!(address("2001:db8:1:2::9").as_deref(), Some("2001:db8:1:2::/64"));
        let id = "0190A6F2-7C2A-7B52-9C11-000000000001";
        assert_eq!(text(BanKind::Person, id), Some(id.to_lowercase()));
        for wide in ["0.0.0.0/0", "10.0.0.0/7", "2001::/18", "nobody", ""] {
            assert_eq!(address(wide), None, "{wide}");
        }
        assert_eq!(address("10.0.0.0/8").as_deref(), Some("10.0.0.0/8"));
        assert!(address("2001:d00::/19").is_some());
        assert!(text(BanKind::Token, "yst_x").is_none());
        assert!(text(BanKind::Unspecified, id).is_none());
    }

    #[test]
    fn nobody_bans_their_own_address() {
        let subject = Subject::parse(BanKind::Address, "192.0.2.0/24").unwrap();
        let from = |address: &str| subject.spares(&Caller::anonymous(), address.parse().ok());
        assert_eq!(from("192.0.2.9").unwrap_err().code(), Code::BanOwn);
        assert!(from("192.0.3.9").is_ok());
        assert!(subject.spares(&Caller::anonymous(), None).is_ok());
    }
}
