use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use time::OffsetDateTime;
use yard_authn::Caller;
use yard_contracts::guard::v1::{Ban, BanKind, Guard};
use yard_contracts::values;
use yard_limits::Network;

/// Why everybody but operators is turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) reason: String,
    pub(crate) until: Option<OffsetDateTime>,
}

/// What auth last said about bans and maintenance.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) revision: i64,
    pub(crate) maintenance: Option<Notice>,
    networks: HashMap<Network, Vec<Entry>>,
    /// Lengths of prefix that are in use, of IPv4 and IPv6 together.
    prefixes: BTreeSet<u8>,
    tokens: HashMap<String, OffsetDateTime>,
    people: HashMap<String, OffsetDateTime>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    until: OffsetDateTime,
    automatic: bool,
}

impl Snapshot {
    pub(super) fn of(guard: Guard) -> Self {
        let maintenance = guard
            .maintenance
            .filter(|m| m.active)
            .map(|m| Notice { reason: m.reason, until: m.until.as_ref().and_then(values::moment) });
        let mut made = Self { revision: guard.revision, maintenance, ..Self::default() };
        for ban in guard.bans {
            made.add(ban);
        }
        made
    }

    fn add(&mut self, ban: Ban) {
        let Some(until) = ban.expires_at.as_ref().and_then(values::moment) else {
            return;
        };
        let later = |known: &mut OffsetDateTime| *known = (*known).max(until);
        match ban.kind() {
            BanKind::Address => {
                let Some(network) = Network::parse(&ban.subject) else {
                    return;
                };
                self.prefixes.insert(network.prefix());
                let entry = Entry { until, automatic: ban.automatic };
                self.networks.entry(network).or_default().push(entry);
            }
            BanKind::Token => {
                self.tokens.entry(ban.subject).and_modify(later).or_insert(until);
            }
            BanKind::Person => {
                self.people.entry(ban.subject).and_modify(later).or_insert(until);
            }
            BanKind::Unspecified => {}
        }
    }

    /// Until when an address is banned. Bans that a gateway made by itself leave callers who show a
    /// session alone: many people may share the address.
    pub(super) fn address(
        &self,
        address: IpAddr,
        signed_in: bool,
        now: OffsetDateTime,
    ) -> Option<OffsetDateTime> {
        let widths = self.prefixes.iter().filter(|&&p| address.is_ipv6() || p <= 32);
        let entries = widths
            .filter_map(|&prefix| self.networks.get(&Network::of(address, prefix)))
            .flatten()
            .filter(|entry| entry.until > now && !(entry.automatic && signed_in));
        entries.map(|entry| entry.until).max()
    }

    /// Until when a caller is banned, by the session or token, or as a person.
    pub(super) fn caller(&self, caller: &Caller, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let of = |id: Option<String>| id.and_then(|id| self.tokens.get(&id));
        let session = of(caller.session().map(|id| id.to_string()));
        let api_token = of(caller.api_token().map(|id| id.as_hyphenated().to_string()));
        let person = caller.person().ok().and_then(|id| self.people.get(&id.to_string()));
        session.max(api_token).max(person).copied().filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(bans: &[(BanKind, &str, i64, bool)]) -> Snapshot {
        let bans = bans.iter().map(|(kind, subject, seconds, automatic)| Ban {
            kind: (*kind).into(),
            subject: (*subject).to_owned(),
            expires_at: Some(values::timestamp(at(*seconds))),
            automatic: *automatic,
            ..Ban::default()
        });
        Snapshot::of(Guard { revision: 7, bans: bans.collect(), ..Guard::default() })
    }

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(seconds)
    }

    fn banned(snapshot: &Snapshot, address: &str, signed_in: bool, now: i64) -> bool {
        snapshot.address(address.parse().unwrap(), signed_in, at(now)).is_some()
    }

    #[test]
    fn networks_of_any_width_are_banned_until_their_time() {
        let snapshot = snapshot(&[
            (BanKind::Address, "192.0.2.0/24", 100, false),
            (BanKind::Address, "198.51.100.7/32", 100, false),
            (BanKind::Address, "2001:db8:1:2::/64", 100, false),
            (BanKind::Address, "no network", 100, false),
        ]);
        for address in ["192.0.2.200", "198.51.100.7", "2001:db8:1:2:ffff::1"] {
            assert!(banned(&snapshot, address, false, 99), "{address}");
            assert!(banned(&snapshot, address, true, 99), "{address}");
            assert!(!banned(&snapshot, address, false, 100), "{address}");
        }
        for address in ["192.0.3.1", "198.51.100.8", "2001:db8:1:3::1", "::ffff:1.2.3.4"] {
            assert!(!banned(&snapshot, address, false, 99), "{address}");
        }
    }

    #[test]
    fn automatic_ban_leaves_callers_with_a_session_alone() {
        let made = snapshot(&[(BanKind::Address, "192.0.2.7", 100, true)]);
        assert!(banned(&made, "192.0.2.7", false, 1));
        assert!(!banned(&made, "192.0.2.7", true, 1));
        let both = snapshot(&[
            (BanKind::Address, "192.0.2.7", 100, true),
            (BanKind::Address, "192.0.2.0/24", 50, false),
        ]);
        assert!(banned(&both, "192.0.2.7", true, 1));
        assert!(!banned(&both, "192.0.2.7", true, 50));
    }
}
