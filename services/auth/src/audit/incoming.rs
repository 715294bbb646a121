//! Records as they come in: read, bounded, and freed of what PostgreSQL does not take.

use std::net::IpAddr;

use time::OffsetDateTime;
use uuid::Uuid;
use yard_contracts::audit::v1::{AuditKind, AuditPhase, AuditRecord};
use yard_contracts::values::moment;
use yard_fault::{Code, Fault};

use super::PLATFORM;

/// Outcome of a call whose end nobody told.
pub(super) const UNKNOWN: &str = "unknown";
const OK: &str = "ok";
const MOST_FIELDS: usize = 32;

/// A record that can be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Incoming {
    pub(super) event_id: Uuid,
    pub(super) ended: bool,
    pub(super) chain: Uuid,
    pub(super) kind: &'static str,
    pub(super) occurred_at: OffsetDateTime,
    pub(super) service: String,
    pub(super) actor: String,
    pub(super) acting_as: String,
    pub(super) session_id: String,
    pub(super) action: String,
    pub(super) object_type: String,
    pub(super) object_id: String,
    pub(super) outcome: String,
    pub(super) incident: String,
    pub(super) trace_id: String,
    pub(super) address: String,
    pub(super) address_prefix: String,
    pub(super) user_agent: String,
    pub(super) changed_fields: Vec<String>,
    pub(super) repeats: i32,
    pub(super) subject: Option<Uuid>,
    pub(super) copy_to: Option<Uuid>,
    /// As it came, for a call that is still open.
    pub(super) record: AuditRecord,
}

impl Incoming {
    /// Reads a record.
    ///
    /// # Errors
    /// `request.malformed` when it has no id, no time, or a tenant that is none.
    pub(super) fn read(record: AuditRecord) -> Result<Self, Fault> {
        let wrong = |what| Fault::new(Code::RequestMalformed).with_detail(what);
        let id = |text: &str| Uuid::try_parse(text).ok();
        let chain = match record.tenant_id.as_str() {
            "" => PLATFORM,
            text => id(text).ok_or_else(|| wrong("tenant of an audit record"))?,
        };
        let at = record.occurred_at.as_ref().and_then(moment);
        let at = at.ok_or_else(|| wrong("time of an audit record"))?;
        Ok(Self {
            event_id: id(&record.event_id).ok_or_else(|| wrong("id of an audit record"))?,
            ended: record.phase() != AuditPhase::Begun,
            chain,
            kind: kind(record.kind()),
            occurred_at: to_microseconds(at),
            service: clean(&record.service, 64),
            actor: clean(&record.actor, 128),
            acting_as: clean(&record.acting_as, 64),
            session_id: clean(&record.session_id, 64),
            action: clean(&record.action, 128),
            object_type: clean(&record.object_type, 64),
            object_id: clean(&record.object_id, 128),
            outcome: clean(&record.outcome, 64),
            incident: clean(&record.incident, 64),
            trace_id: clean(&record.trace_id, 64),
            address: clean(&record.address, 64),
            address_prefix: prefix(&record.address),
            user_agent: clean(&record.user_agent, 256),
            changed_fields: fields(&record.changed_fields),
            repeats: record.repeats.max(1),
            subject: id(&record.subject_id),
            copy_to: id(&record.copy_to_tenant_id).filter(|tenant| *tenant != chain),
            record,
        })
    }

    /// The record of an announced call whose end nobody told in time.
    pub(super) fn given_up(mut self) -> Self {
        self.ended = true;
        UNKNOWN.clone_into(&mut self.outcome);
        self
    }

    /// The copy for the tenant that a call of the platform concerns, if it did anything.
    pub(super) fn copy(&self) -> Option<Self> {
        let chain = self.copy_to.filter(|_| self.ended && self.outcome == OK)?;
        let event_id = Uuid::new_v5(&self.event_id, chain.as_bytes());
        Some(Self { event_id, chain, copy_to: None, ..self.clone() })
    }
}

const fn kind(kind: AuditKind) -> &'static str {
    match kind {
        AuditKind::Call | AuditKind::Unspecified => "call",
        AuditKind::SignIn => "sign_in",
        AuditKind::Denial => "denial",
        AuditKind::BreakGlass => "break_glass",
    }
}

/// What PostgreSQL keeps of a time.
pub(super) fn to_microseconds(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(at.nanosecond() / 1_000 * 1_000).unwrap_or(at)
}

/// At most `most` characters, none of them a control character.
fn clean(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}

/// Field names hold no comma, and are stored as one text on their way.
fn fields(names: &[String]) -> Vec<String> {
    let plain = |name: &&String| !name.is_empty() && !name.contains(',');
    names.iter().filter(plain).take(MOST_FIELDS).map(|name| clean(name, 64)).collect()
}

/// The network of an address: /24 of IPv4, /48 of IPv6.
fn prefix(address: &str) -> String {
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(v4)) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Ok(IpAddr::V6(v6)) => {
            let [a, b, c, ..] = v6.segments();
            format!("{}/48", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
        Err(_none) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> AuditRecord {
        AuditRecord {
            event_id: Uuid::from_u128(1).to_string(),
            phase: AuditPhase::Ended.into(),
            occurred_at: Some(prost_types::Timestamp { seconds: 1, nanos: 123_456_789 }),
            outcome: OK.to_owned(),
            ..AuditRecord::default()
        }
    }

    #[test]
    fn texts_are_bounded_and_hold_nothing_that_the_database_refuses() {
        let odd = AuditRecord {
            action: format!("a\0b{}", "x".repeat(500)),
            changed_fields: vec!["a,b".to_owned(), "name".to_owned(), String::new()],
            repeats: -4,
            ..record()
        };
        let read = Incoming::read(odd).unwrap();
        assert!(read.action.starts_with("abx") && read.action.len() == 128);
        assert_eq!((read.changed_fields, read.repeats), (vec!["name".to_owned()], 1));
        assert_eq!(read.occurred_at.nanosecond(), 123_456_000);
        for broken in [
            AuditRecord { event_id: "x".to_owned(), ..record() },
            AuditRecord { tenant_id: "x".to_owned(), ..record() },
            AuditRecord { occurred_at: None, ..record() },
        ] {
            assert_eq!(Incoming::read(broken).unwrap_err().code(), Code::RequestMalformed);
        }
    }

    #[test]
    fn prefix_says_the_network_and_no_more() {
        assert_eq!(prefix("203.0.113.77"), "203.0.113.0/24");
        assert_eq!(prefix("::ffff:203.0.113.77"), "203.0.113.0/24");
        assert_eq!(prefix("2001:db8:7:8::1"), "2001:db8:7::/48");
        assert_eq!(prefix("localhost"), "");
    }

    #[test]
    fn only_what_was_done_to_a_tenant_is_copied_to_it() {
        let tenant = Uuid::from_u128(7);
        let named = AuditRecord { copy_to_tenant_id: tenant.to_string(), ..record() };
        let read = Incoming::read(named.clone()).unwrap();
        let copy = read.copy().unwrap();
        assert_eq!(copy.chain, tenant);
        assert_ne!(copy.event_id, read.event_id);
        assert_eq!(copy.copy(), None);
        let refused = AuditRecord { outcome: "auth.forbidden".to_owned(), ..named };
        assert_eq!(Incoming::read(refused).unwrap().copy(), None);
    }
}
