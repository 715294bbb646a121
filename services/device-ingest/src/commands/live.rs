use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use yard_contracts::subjects::{self, live};
use yard_ids::TenantId;
use yard_messaging::Nats;

use super::State;
use super::store::Row;

/// Tells whoever looks that a command is in a new state; after the commit. Nothing depends on it.
pub(super) async fn announce(
    nats: &Nats,
    tenant: TenantId,
    row: &Row,
    state: State,
    at: OffsetDateTime,
    evidence: &str,
) {
    metrics::counter!("yard_command_transitions_total", "state" => state.as_str()).increment(1);
    let body = json!({
        "event": live::COMMAND_CHANGED,
        "device_id": row.device().to_string(),
        "command_id": row.command().to_string(),
        "name": row.name,
        "state": state.wire().as_str_name(),
        "at": at.format(&Rfc3339).unwrap_or_default(),
        "evidence": evidence,
    });
    let subject = subjects::live_device(tenant, row.device(), live::COMMAND_CHANGED);
    if let Err(error) = nats.publish_live(subject, body.to_string().into()).await {
        tracing::debug!(error = %error, "command not announced");
    }
}
