//! Verdicts as they go to JetStream.

use bytes::Bytes;
use prost::Message as _;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_contracts::telemetry::v1::{QuarantineRecord, TelemetryRecord};
use yard_contracts::values::timestamp;
use yard_fault::Code;
use yard_messaging::Outgoing;

use super::verdict::{Quarantined, Reading};
use super::{Flaw, KEPT_PAYLOAD};
use crate::contracts::shorten;
use crate::registry::KnownDevice;

/// An accepted reading for stream TELEMETRY.
pub(super) fn accepted(
    device: &KnownDevice,
    reading: &Reading,
    received_at: OffsetDateTime,
    traceparent: Option<String>,
) -> Outgoing {
    let (epoch, sequence) = reading.position.unwrap_or((0, 0));
    let record = TelemetryRecord {
        message_id: reading.message_id.as_hyphenated().to_string(),
        tenant_id: device.tenant_text.clone(),
        device_id: device.id_text.clone(),
        occurred_at: Some(timestamp(reading.occurred_at)),
        received_at: Some(timestamp(received_at)),
        epoch,
        sequence,
        // Written anew, not copied: repeated keys are gone and every number is one that fits.
        values_json: reading.values.to_string(),
        receipt_requested: reading.receipt,
    };
    Outgoing {
        subject: device.telemetry_subject.clone(),
        id: reading.message_id,
        payload: Bytes::from(record.encode_to_vec()),
        traceparent,
    }
}

/// A message that was not accepted, for stream QUARANTINE.
pub(super) fn quarantined(
    device: &KnownDevice,
    quarantined: &Quarantined,
    topic: &str,
    payload: &[u8],
    received_at: OffsetDateTime,
) -> Outgoing {
    let record = QuarantineRecord {
        message_id: quarantined.message_id.as_hyphenated().to_string(),
        tenant_id: device.tenant_text.clone(),
        device_id: device.id_text.clone(),
        topic: topic.to_owned(),
        reason_code: quarantined.flaw.code.as_str().to_owned(),
        pointer: shorten(&quarantined.flaw.pointer),
        detail: shorten(&quarantined.flaw.detail),
        payload: payload.iter().take(KEPT_PAYLOAD).copied().collect(),
        received_at: Some(timestamp(received_at)),
    };
    Outgoing {
        subject: device.quarantine_subject.clone(),
        id: quarantined.message_id,
        payload: Bytes::from(record.encode_to_vec()),
        traceparent: None,
    }
}

/// Messages that the broker has refused, as one row for stream QUARANTINE. Nobody has seen them, so
/// there is no payload.
pub(crate) fn refused_topic(
    device: &KnownDevice,
    id: Uuid,
    topic: &str,
    detail: String,
    at: OffsetDateTime,
) -> Outgoing {
    let flaw = Flaw::new(Code::TelemetryTopicForeign, "", detail);
    quarantined(device, &Quarantined { message_id: id, flaw }, &shorten(topic), &[], at)
}
