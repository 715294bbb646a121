//! What devices say on their topics `status` and `command/ack`, read and passed on to stream
//! REPORTS. The database comes later, so that its absence never holds up telemetry.

use bytes::Bytes;
use prost::Message as _;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;
use yard_contracts::device::v1::device_report::Report;
use yard_contracts::device::v1::{CommandReport, DeviceReport, StatusReport};
use yard_contracts::subjects;
use yard_contracts::values::timestamp;
use yard_fault::Code;
use yard_messaging::Outgoing;

use super::{Flaw, payload};
use crate::contracts::shorten;
use crate::registry::KnownDevice;

/// Last part of the subject of presence reports.
pub(crate) const STATUS: &str = "status";
/// Last part of the subject of command reports.
pub(crate) const COMMAND: &str = "command";
/// Words that a device may give for a command.
const COMMAND_STATES: [&str; 6] =
    ["delivered", "acked", "running", "succeeded", "failed", "rejected"];

/// Reads `{"state","epoch","at"?,"cause"?}`.
pub(super) fn status(bytes: &[u8]) -> Result<Report, Flaw> {
    let mut object = payload::read(bytes)?;
    let epoch = payload::take_count(&mut object, "epoch")?;
    let epoch = epoch.ok_or_else(|| missing("/epoch"))?;
    let online = match object.get("state").and_then(Value::as_str) {
        Some("online") => true,
        Some("offline") => false,
        _ => {
            return Err(Flaw::new(Code::TelemetryOutOfRange, "/state", "online or offline"));
        }
    };
    let cause = shorten(object.get("cause").and_then(Value::as_str).unwrap_or(""));
    Ok(Report::Status(StatusReport { online, epoch, cause }))
}

/// Reads `{"command_id","state","result"?,"reason"?}`.
pub(super) fn command(bytes: &[u8]) -> Result<Report, Flaw> {
    let invalid =
        |pointer, detail: &str| Flaw::new(Code::CommandReportInvalid, pointer, detail.to_owned());
    let object = payload::read(bytes)?;
    let command_id =
        text(&object, "command_id").ok_or_else(|| invalid("/command_id", "missing"))?;
    if command_id.parse::<yard_ids::CommandId>().is_err() {
        return Err(invalid("/command_id", "not a command's id"));
    }
    let state = text(&object, "state").ok_or_else(|| invalid("/state", "missing"))?;
    if !COMMAND_STATES.contains(&state) {
        return Err(invalid("/state", "no word for a command's state"));
    }
    let result_json = match object.get("result") {
        None | Some(Value::Null) => String::new(),
        Some(result @ Value::Object(_)) if !payload::holds_nul(result) => result.to_string(),
        Some(_) => return Err(invalid("/result", "has to be an object")),
    };
    Ok(Report::Command(CommandReport {
        command_id: command_id.to_owned(),
        state: state.to_owned(),
        result_json,
        reason: shorten(text(&object, "reason").unwrap_or("")),
    }))
}

/// A report for stream REPORTS. Its id is of this one reception: a device that comes, goes and
/// comes again may say the same words twice and mean it.
pub(super) fn outgoing(
    device: &KnownDevice,
    report: Report,
    id: Uuid,
    received_at: OffsetDateTime,
) -> Outgoing {
    let kind = match report {
        Report::Status(_) => STATUS,
        Report::Command(_) => COMMAND,
    };
    let message = DeviceReport {
        tenant_id: device.tenant_text.clone(),
        device_id: device.id_text.clone(),
        received_at: Some(timestamp(received_at)),
        report: Some(report),
    };
    Outgoing {
        subject: subjects::report(device.tenant, device.id, kind),
        id,
        payload: Bytes::from(message.encode_to_vec()),
        traceparent: None,
    }
}

fn missing(pointer: &str) -> Flaw {
    Flaw::new(Code::TelemetryMissingField, pointer, "is missing")
}

fn text<'o>(object: &'o Map<String, Value>, name: &str) -> Option<&'o str> {
    object.get(name).and_then(Value::as_str)
}
