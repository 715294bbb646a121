use time::OffsetDateTime;

use crate::Hash;
use crate::canonical::Canonical;

const DOMAIN: &str = "switchyard.audit.entry.v1";

/// One entry of a chain: everything of it that is hashed. Texts are hashed as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The tenant's UUID, or [`crate::PLATFORM`].
    pub chain: String,
    /// From 1, without gaps.
    pub sequence: i64,
    /// UUID of the event.
    pub event_id: String,
    /// `call`, `sign_in`, `denial` or `break_glass`.
    pub kind: String,
    /// When the service saw it; counted in microseconds.
    pub occurred_at: OffsetDateTime,
    /// When it was added; counted in microseconds.
    pub recorded_at: OffsetDateTime,
    /// Who reports it.
    pub service: String,
    /// `person:<id>`, `service:<name>` or `anonymous`.
    pub actor: String,
    /// Role.
    pub acting_as: String,
    /// Session, or empty.
    pub session_id: String,
    /// RPC.
    pub action: String,
    /// Kind of thing, or empty.
    pub object_type: String,
    /// Which one, or empty.
    pub object_id: String,
    /// `ok`, a code, or `unknown`.
    pub outcome: String,
    /// Id in the services' logs.
    pub incident: String,
    /// W3C trace id, or empty.
    pub trace_id: String,
    /// Network, or empty.
    pub address_prefix: String,
    /// Names only.
    pub changed_fields: Vec<String>,
    /// 1 or more.
    pub repeats: i32,
    /// Sequence of the entry it resolves, or 0.
    pub resolves: i64,
    /// The person whose personal data belongs to it, or empty.
    pub subject_id: String,
    /// Over the personal data, where there is any.
    pub personal_commitment: Option<Hash>,
}

impl Entry {
    /// SHA-256 over the domain tag, the fields in the order above, and the previous hash.
    #[must_use]
    pub fn hash(&self, previous: &Hash) -> Hash {
        let commitment = self.personal_commitment.as_ref();
        Canonical::of(DOMAIN)
            .text(&self.chain)
            .number(self.sequence)
            .text(&self.event_id)
            .text(&self.kind)
            .time(self.occurred_at)
            .time(self.recorded_at)
            .text(&self.service)
            .text(&self.actor)
            .text(&self.acting_as)
            .text(&self.session_id)
            .text(&self.action)
            .text(&self.object_type)
            .text(&self.object_id)
            .text(&self.outcome)
            .text(&self.incident)
            .text(&self.trace_id)
            .text(&self.address_prefix)
            .texts(&self.changed_fields)
            .number(self.repeats.into())
            .number(self.resolves)
            .text(&self.subject_id)
            .bytes(commitment.map_or(&[], |hash| hash.as_bytes()))
            .hash(previous)
            .digest()
    }
}
