//! Entries, roots and anchors as the interface shows them.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use uuid::Uuid;
use yard_audit::{Hash, Personal, Root, to_hex};
use yard_authn::seal::Sealer;
use yard_contracts::audit::v1::{AuditAnchor, AuditEvent, AuditKind, AuditPersonal, AuditRoot};
use yard_contracts::values::timestamp;
use yard_fault::Fault;

use super::PLATFORM;
use super::rows::{self, AnchorRow, Stored};
use super::store::hash_of;
use super::subjects::{self, SubjectKeys};

/// Rows with their personal data, as far as its keys still exist.
pub(super) async fn events(
    tx: &mut PgConnection,
    sealer: &Sealer,
    chain: Uuid,
    rows: Vec<Stored>,
) -> Result<Vec<AuditEvent>, Fault> {
    let subjects: BTreeSet<&str> =
        rows.iter().filter(|row| row.sealed.is_some()).map(|row| row.subject_id.as_str()).collect();
    let subjects: Vec<&str> = subjects.into_iter().collect();
    let stored = rows::keys_of(tx, chain, &subjects).await?;
    let keys = subjects::open(sealer, stored)?;
    rows.into_iter().map(|row| event(row, &keys)).collect()
}

fn event(row: Stored, keys: &SubjectKeys) -> Result<AuditEvent, Fault> {
    let personal = personal(&row, keys)?;
    let tenant = (row.tenant_id != PLATFORM).then(|| row.tenant_id.as_hyphenated().to_string());
    Ok(AuditEvent {
        sequence: row.sequence,
        event_id: row.event_id.as_hyphenated().to_string(),
        tenant_id: tenant.unwrap_or_default(),
        kind: kind(&row.kind).into(),
        occurred_at: Some(timestamp(row.occurred_at)),
        recorded_at: Some(timestamp(row.recorded_at)),
        service: row.service,
        actor: row.actor,
        acting_as: row.acting_as,
        session_id: row.session_id,
        action: row.action,
        object_type: row.object_type,
        object_id: row.object_id,
        outcome: row.outcome,
        incident: row.incident,
        trace_id: row.trace_id,
        address_prefix: row.address_prefix,
        changed_fields: row.changed_fields,
        repeats: row.repeats,
        resolves: row.resolves,
        personal,
        personal_commitment: row
            .personal_commitment
            .map(|bytes| to_hex(&bytes))
            .unwrap_or_default(),
        previous_hash: to_hex(&row.previous_hash),
        hash: to_hex(&row.hash),
    })
}

fn personal(row: &Stored, keys: &SubjectKeys) -> Result<Option<AuditPersonal>, Fault> {
    if row.subject_id.is_empty() {
        return Ok(None);
    }
    let open = match &row.sealed {
        Some(sealed) => keys.open(row.tenant_id, row.event_id, &row.subject_id, sealed)?,
        None => None,
    };
    Ok(Some(match open {
        Some(Personal { salt, subject_id, email, display_name, address, user_agent }) => {
            let salt = to_hex(&salt);
            let erased = false;
            AuditPersonal { subject_id, erased, email, display_name, address, user_agent, salt }
        }
        None => AuditPersonal {
            subject_id: row.subject_id.clone(),
            erased: true,
            ..AuditPersonal::default()
        },
    }))
}

fn kind(text: &str) -> AuditKind {
    match text {
        "call" => AuditKind::Call,
        "sign_in" => AuditKind::SignIn,
        "denial" => AuditKind::Denial,
        "break_glass" => AuditKind::BreakGlass,
        _ => AuditKind::Unspecified,
    }
}

/// A root.
pub(super) fn root(root: &Root) -> AuditRoot {
    AuditRoot {
        number: root.number,
        made_at: Some(timestamp(root.made_at)),
        merkle_root: root.merkle_root.to_string(),
        previous_digest: root.previous_digest.to_string(),
        key_id: root.key_id.clone(),
        signature: to_hex(&root.signature),
    }
}

/// An anchor.
pub(super) fn anchor(sequence: i64, path: Vec<String>, of: &Root) -> AuditAnchor {
    AuditAnchor { root: Some(root(of)), sequence, path }
}

/// The hash of a stored row.
pub(super) fn hash(row: &Stored) -> Hash {
    hash_of(&row.hash)
}

/// Splits an anchor into its root and its place.
pub(super) fn parts(row: AnchorRow) -> (i64, Vec<String>, Root) {
    (row.sequence, row.path, row.root.into())
}
