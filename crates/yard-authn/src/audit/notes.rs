use std::sync::{Arc, Mutex, PoisonError};

use yard_contracts::audit::v1::{AuditKind, AuditRecord};
use yard_ids::{PrincipalId, TenantId};

/// What only the handler knows of its call. Everything left empty stays as the layer found it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditNotes {
    /// It is a sign-in, or a step of one.
    pub sign_in: bool,
    /// Who turned out to call.
    pub actor: Option<String>,
    /// The role in which.
    pub acting_as: Option<String>,
    /// The tenant whose chain the entry belongs to.
    pub tenant: Option<TenantId>,
    /// The person whose personal data goes with it: the actor, or who someone tried to be.
    pub subject: Option<PrincipalId>,
    /// What it was done to: type and id.
    pub object: Option<(String, String)>,
    /// What the call decides beside what it changes, for example `without_export`.
    pub decides: Option<String>,
    /// A tenant that gets a copy in its own chain.
    pub copy_to: Option<TenantId>,
}

/// The notes of one call, shared by layer and handler.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<AuditNotes>>);

impl Notes {
    pub(crate) fn change(&self, change: impl FnOnce(&mut AuditNotes)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn apply(&self, record: &mut AuditRecord) {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if notes.sign_in {
            record.kind = AuditKind::SignIn.into();
        }
        if let Some(actor) = notes.actor {
            record.actor = actor;
        }
        if let Some(role) = notes.acting_as {
            record.acting_as = role;
        }
        if let Some(tenant) = notes.tenant {
            record.tenant_id = tenant.to_string();
        }
        if let Some(subject) = notes.subject {
            record.subject_id = subject.to_string();
        }
        if let Some((kind, id)) = notes.object {
            (record.object_type, record.object_id) = (kind, id);
        }
        record.changed_fields.extend(notes.decides);
        if let Some(tenant) = notes.copy_to {
            record.copy_to_tenant_id = tenant.to_string();
        }
    }
}
