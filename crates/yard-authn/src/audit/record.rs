use bytes::Bytes;
use http::HeaderMap;
use yard_contracts::audit::v1::{AuditKind, AuditPhase, AuditRecord};
use yard_contracts::policy::MethodPolicy;
use yard_contracts::values::timestamp;
use yard_fault::Code;
use yard_runtime::trace;

use super::notes::break_glass;
use super::{Auditor, Denials, object};
use crate::Caller;

/// Metadata by which the gateway tells where a call comes from.
pub const CLIENT_ADDRESS: &str = "yard-client-ip";
/// Metadata by which the gateway tells what the client calls itself.
pub const USER_AGENT: &str = "yard-user-agent";
/// Longest text of a user agent that is kept, characters.
pub const LONGEST_AGENT: usize = 256;

/// Where a call comes from, as far as it says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Full address, or empty.
    pub address: String,
    /// Shortened, or empty.
    pub user_agent: String,
    /// W3C trace id, or empty.
    pub trace_id: String,
}

impl Origin {
    /// Shortens what may be too long.
    #[must_use]
    pub fn new(address: &str, user_agent: &str, traceparent: Option<&str>) -> Self {
        Self {
            address: address.chars().take(64).collect(),
            user_agent: user_agent.chars().take(LONGEST_AGENT).collect(),
            trace_id: trace_id(traceparent),
        }
    }

    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (address, agent) = (text(CLIENT_ADDRESS), text(USER_AGENT));
        let parent = text(trace::TRACEPARENT);
        Self::new(address.unwrap_or_default(), agent.unwrap_or_default(), parent)
    }
}

/// The second part of `00-<trace id>-<span id>-<flags>`.
pub(super) fn trace_id(traceparent: Option<&str>) -> String {
    let id = traceparent.and_then(|text| text.split('-').nth(1)).unwrap_or_default();
    let hex = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
    if hex { id.to_ascii_lowercase() } else { String::new() }
}

impl Auditor {
    /// What is known of a call before it is carried out.
    pub(crate) fn announcement(
        &self,
        method: &MethodPolicy,
        caller: &Caller,
        incident: &str,
        origin: Origin,
        request: &Bytes,
    ) -> AuditRecord {
        let about = object::method(&method.path).map(|m| object::of_request(m, request));
        let about = about.unwrap_or_default();
        let mut record = record(caller, &method.path, incident, origin);
        record.event_id = self.ids().uuid7().as_hyphenated().to_string();
        record.phase = AuditPhase::Begun.into();
        record.occurred_at = Some(timestamp(self.clock().now()));
        self.service().clone_into(&mut record.service);
        record.changed_fields = about.changed_fields;
        if let Some(named) = about.object {
            (record.object_type, record.object_id) = (named.kind, named.id);
        }
        // What an administrator does to a tenant, the tenant gets to see.
        if record.tenant_id.is_empty() && record.copy_to_tenant_id.is_empty() {
            record.copy_to_tenant_id = about.tenant.unwrap_or_default();
        }
        record
    }
}

impl Denials {
    /// A call that was refused; `path` is that of the RPC.
    pub fn note(&self, caller: &Caller, path: &str, incident: &str, origin: Origin, code: Code) {
        let mut record = record(caller, path, incident, origin);
        record.kind = AuditKind::Denial.into();
        record.phase = AuditPhase::Ended.into();
        code.as_str().clone_into(&mut record.outcome);
        self.take(record);
    }
}

fn record(caller: &Caller, path: &str, incident: &str, origin: Origin) -> AuditRecord {
    let subject = caller.person().ok().map(|id| id.to_string()).unwrap_or_default();
    let mut record = AuditRecord {
        tenant_id: caller.tenant_opt().map(|id| id.to_string()).unwrap_or_default(),
        kind: AuditKind::Call.into(),
        actor: caller.subject().to_owned(),
        acting_as: caller.role().to_owned(),
        session_id: caller.session().map(|id| id.to_string()).unwrap_or_default(),
        action: path.trim_start_matches('/').to_owned(),
        incident: incident.to_owned(),
        trace_id: origin.trace_id,
        address: origin.address,
        user_agent: origin.user_agent,
        subject_id: subject,
        repeats: 1,
        ..AuditRecord::default()
    };
    if caller.break_glass().is_some() {
        break_glass(&mut record);
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_bounded_and_takes_well_formed_traces_only() {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, "x".repeat(4_000).parse().unwrap());
        headers.insert(CLIENT_ADDRESS, "203.0.113.9".parse().unwrap());
        let parent = format!("00-{}-{}-01", "AB".repeat(16), "1".repeat(16));
        headers.insert(trace::TRACEPARENT, parent.parse().unwrap());
        let origin = Origin::of(&headers);
        assert_eq!(origin.user_agent.len(), LONGEST_AGENT);
        assert_eq!(origin.address, "203.0.113.9");
        assert_eq!(origin.trace_id, "ab".repeat(16));
        for odd in ["", "00", "00-xyz-1-01", "00-00-00-00"] {
            assert_eq!(trace_id(Some(odd)), "", "{odd}");
        }
    }
}
