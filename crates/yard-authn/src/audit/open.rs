use std::mem;

use yard_contracts::audit::v1::{AuditPhase, AuditRecord};
use yard_fault::Code;

use super::{Answered, Auditor, Notes};

/// Outcome of a call whose end nobody saw.
const UNKNOWN: &str = "unknown";

/// An announced call whose outcome is owed. Dropped without one, as when the caller leaves and the
/// handler is given up half way, it tells `unknown`.
pub(crate) struct Open {
    auditor: Auditor,
    record: Option<AuditRecord>,
    notes: Notes,
}

impl Open {
    pub(super) fn new(auditor: Auditor, record: AuditRecord) -> Self {
        Self { auditor, record: Some(record), notes: Notes::default() }
    }

    /// Takes what the handler will note.
    pub(crate) fn with(mut self, notes: Notes) -> Self {
        self.notes = notes;
        self
    }

    /// Its outcome, and what its answer names if the request named nothing.
    pub(crate) async fn end(mut self, outcome: &str, answer: Answered) {
        if let Some(mut record) = self.finished(outcome) {
            if let Some(named) = answer.object.filter(|_| record.object_id.is_empty()) {
                (record.object_type, record.object_id) = (named.kind, named.id);
            }
            // What an administrator does to a tenant, the tenant gets to see.
            if record.tenant_id.is_empty() && record.copy_to_tenant_id.is_empty() {
                record.copy_to_tenant_id = answer.tenant.unwrap_or_default();
            }
            self.auditor.end(record).await;
        }
    }

    /// It was not carried out.
    pub(super) fn refused(mut self, code: Code) {
        if let Some(record) = self.finished(code.as_str()) {
            self.auditor.keep_trying(record);
        }
    }

    fn finished(&mut self, outcome: &str) -> Option<AuditRecord> {
        let mut record = mem::take(&mut self.record)?;
        record.phase = AuditPhase::Ended.into();
        outcome.clone_into(&mut record.outcome);
        self.notes.apply(&mut record);
        Some(record)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(record) = self.finished(UNKNOWN) {
            self.auditor.keep_trying(record);
        }
    }
}
