use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use yard_contracts::audit::v1::{AuditKind, AuditRecord};
use yard_ids::{PrincipalId, TenantId};

/// What only the handler knows of its call. Everything left empty stays as the layer found it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditNotes {
    /// It is a sign-in, or a step of one.
    pub sign_in: bool,
    /// It is about a system administrator in a tenant: the entry stands in the platform's chain, and in
    /// the tenant's.
    pub break_glass: bool,
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

/// Has an entry stand in both chains.
pub(super) fn break_glass(record: &mut AuditRecord) {
    record.kind = AuditKind::BreakGlass.into();
    if !record.tenant_id.is_empty() {
        record.copy_to_tenant_id = mem::take(&mut record.tenant_id);
    }
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
        if notes.break_glass {
            break_glass(record);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_of_break_glass_stands_in_both_chains_wherever_it_was_made() {
        let tenant = "0190a6f2-7c2a-7b52-9c11-000000000001".to_owned();
        let both = |tenant_id: &str, copy: &str| {
            let mut record = AuditRecord {
                tenant_id: tenant_id.to_owned(),
                copy_to_tenant_id: copy.to_owned(),
                ..AuditRecord::default()
            };
            let notes = Notes::default();
            notes.change(|notes| notes.break_glass = true);
            notes.apply(&mut record);
            (record.kind(), record.tenant_id, record.copy_to_tenant_id)
        };
        let expected = (AuditKind::BreakGlass, String::new(), tenant.clone());
        assert_eq!(both(&tenant, ""), expected, "by an owner, or inside");
        assert_eq!(both("", &tenant), expected, "by the administrator who enters");
    }
}
