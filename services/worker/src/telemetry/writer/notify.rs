use bytes::Bytes;
use prost::Message as _;
use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;
use yard_contracts::subjects::{self, live};
use yard_contracts::telemetry::v1::StoredReceipt;
use yard_messaging::Nats;

use super::live::Conflation;
use super::row::Row;

/// What `telemetry.received` says.
#[derive(Serialize)]
struct Received<'r> {
    event: &'static str,
    device_id: String,
    message_id: String,
    at: String,
    occurred_at: String,
    received_at: String,
    epoch: i64,
    sequence: i64,
    values: &'r RawValue,
}

/// Tells of committed rows. Both are on core NATS: who is not there hears nothing, so a failure
/// here takes nothing back.
pub(super) async fn tell(nats: &Nats, conflation: &Conflation, rows: &[Row]) {
    let told =
        receipts(rows).chain(conflation.select(rows, Instant::now()).into_iter().filter_map(event));
    for (subject, payload) in told {
        if let Err(error) = nats.publish_live(subject, payload).await {
            tracing::debug!(error = %error, "stored readings are not told of");
            return;
        }
    }
}

/// One receipt for each device and epoch that asked. Rows that were there already are receipted
/// too: their sender did not get the first receipt, or it would not have sent again.
fn receipts(rows: &[Row]) -> impl Iterator<Item = (String, Bytes)> {
    let of = |row: &Row| (row.tenant, row.device, row.epoch);
    let same = |a: &&Row, b: &&Row| of(a) == of(b);
    let asked: Vec<&Row> = rows.iter().filter(|r| r.receipt_requested && r.is_numbered()).collect();
    let made: Vec<_> = asked.chunk_by(same).filter_map(receipt).collect();
    made.into_iter()
}

fn receipt(rows: &[&Row]) -> Option<(String, Bytes)> {
    let first = rows.first()?;
    let mut sequences: Vec<i64> = rows.iter().map(|row| row.sequence).collect();
    sequences.sort_unstable();
    sequences.dedup();
    let receipt =
        StoredReceipt { device_id: first.device.to_string(), epoch: first.epoch, sequences };
    let subject = subjects::receipt(first.tenant, first.device);
    Some((subject, receipt.encode_to_vec().into()))
}

fn event(row: &Row) -> Option<(String, Bytes)> {
    let occurred_at = text(row.occurred_at)?;
    let body = Received {
        event: live::TELEMETRY_RECEIVED,
        device_id: row.device.to_string(),
        message_id: row.message_id.as_hyphenated().to_string(),
        at: occurred_at.clone(),
        occurred_at,
        received_at: text(row.received_at)?,
        epoch: row.epoch,
        sequence: row.sequence,
        values: serde_json::from_str(&row.values).ok()?,
    };
    let subject = subjects::live_device(row.tenant, row.device, live::TELEMETRY_RECEIVED);
    Some((subject, serde_json::to_vec(&body).ok()?.into()))
}

fn text(at: OffsetDateTime) -> Option<String> {
    at.format(&Rfc3339).ok()
}
