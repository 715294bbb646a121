//! The lines of an export file: the interface's JSON, one item on a line. A field too many or too
//! few is refused, and so is another spelling of the same value.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::hash::from_hex;
use crate::merkle::Step;
use crate::{Entry, Hash, Personal, Root};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first.
    Header(HeaderLine),
    /// An entry.
    Event(Box<EventLine>),
    /// A signed root that covers the entry before.
    Anchor(AnchorLine),
    /// The last.
    End(EndLine),
}

/// Field by field what the interface's `AuditExportHeader` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderLine {
    pub chain: String,
    pub first_previous_hash: Hash,
    pub first_sequence: i64,
    pub format: String,
}

/// `AuditEvent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventLine {
    pub acting_as: String,
    pub action: String,
    pub actor: String,
    pub address_prefix: String,
    pub changed_fields: Vec<String>,
    pub event_id: String,
    pub hash: Hash,
    pub incident: String,
    pub kind: String,
    pub object_id: String,
    pub object_type: String,
    pub occurred_at: String,
    pub outcome: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<PersonalLine>,
    pub personal_commitment: String,
    pub previous_hash: Hash,
    pub recorded_at: String,
    pub repeats: i32,
    pub resolves: i64,
    pub sequence: i64,
    pub service: String,
    pub session_id: String,
    pub tenant_id: String,
    pub trace_id: String,
}

/// `AuditPersonal`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonalLine {
    pub address: String,
    pub display_name: String,
    pub email: String,
    pub erased: bool,
    pub salt: String,
    pub subject_id: String,
    pub user_agent: String,
}

/// `AuditAnchor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorLine {
    pub path: Vec<Step>,
    pub root: RootLine,
    pub sequence: i64,
}

/// `AuditRoot`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootLine {
    pub key_id: String,
    pub made_at: String,
    pub merkle_root: Hash,
    pub number: i64,
    pub previous_digest: Hash,
    pub signature: String,
}

/// `AuditExportEnd`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndLine {
    pub digest: Hash,
    pub exported_at: String,
    pub key_id: String,
    pub last_hash: Hash,
    pub last_sequence: i64,
    pub signature: String,
}

impl Line {
    /// Reads a line, and refuses it when the same content would be written otherwise.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let value: serde_json::Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let written = value.to_string();
        if written != text {
            return Err("is not written as an export writes it".to_owned());
        }
        serde_json::from_value(value).map_err(|e| e.to_string())
    }

    /// As [`Line::read`] takes it: keys in alphabetical order, no spaces.
    #[must_use]
    pub fn write(&self) -> String {
        serde_json::to_value(self).map(|value| value.to_string()).unwrap_or_default()
    }
}

/// A time in the one spelling that an export has for it.
pub(super) fn time(text: &str) -> Option<OffsetDateTime> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let micro = at.nanosecond() % 1_000 == 0;
    (micro && at.format(&Rfc3339).is_ok_and(|same| same == text)).then_some(at)
}

impl EventLine {
    /// The entry that it shows; `None` when a field cannot be what it should.
    pub(super) fn entry(&self, chain: &str) -> Option<Entry> {
        let kind = self.kind.strip_prefix("AUDIT_KIND_")?;
        let known = ["CALL", "SIGN_IN", "DENIAL", "BREAK_GLASS"].contains(&kind);
        let commitment = match self.personal_commitment.as_str() {
            "" => None,
            text => Some(text.parse().ok()?),
        };
        let subject = self.personal.as_ref().map(|personal| personal.subject_id.clone());
        known.then_some(Entry {
            chain: chain.to_owned(),
            sequence: self.sequence,
            event_id: self.event_id.clone(),
            kind: kind.to_ascii_lowercase(),
            occurred_at: time(&self.occurred_at)?,
            recorded_at: time(&self.recorded_at)?,
            service: self.service.clone(),
            actor: self.actor.clone(),
            acting_as: self.acting_as.clone(),
            session_id: self.session_id.clone(),
            action: self.action.clone(),
            object_type: self.object_type.clone(),
            object_id: self.object_id.clone(),
            outcome: self.outcome.clone(),
            incident: self.incident.clone(),
            trace_id: self.trace_id.clone(),
            address_prefix: self.address_prefix.clone(),
            changed_fields: self.changed_fields.clone(),
            repeats: self.repeats,
            resolves: self.resolves,
            subject_id: subject.unwrap_or_default(),
            personal_commitment: commitment,
        })
    }
}

impl PersonalLine {
    /// What was committed to; `None` when it is not shown whole.
    pub(super) fn personal(&self) -> Option<Personal> {
        Some(Personal {
            salt: from_hex(&self.salt)?.try_into().ok()?,
            subject_id: self.subject_id.clone(),
            email: self.email.clone(),
            display_name: self.display_name.clone(),
            address: self.address.clone(),
            user_agent: self.user_agent.clone(),
        })
    }

    /// An erased person's data is empty in every field.
    pub(super) fn is_blank(&self) -> bool {
        [&self.email, &self.display_name, &self.address, &self.user_agent, &self.salt]
            .iter()
            .all(|field| field.is_empty())
    }
}

impl RootLine {
    /// The root that it shows; `None` when a field cannot be what it should.
    #[must_use]
    pub fn root(&self) -> Option<Root> {
        Some(Root {
            number: self.number,
            made_at: time(&self.made_at)?,
            merkle_root: self.merkle_root,
            previous_digest: self.previous_digest,
            key_id: self.key_id.clone(),
            signature: from_hex(&self.signature)?,
        })
    }
}
