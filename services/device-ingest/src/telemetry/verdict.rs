//! What becomes of a message on a device's telemetry topic. Pure: the same bytes, device and time
//! always give the same verdict.

use serde_json::{Map, Value};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use yard_fault::Code;
use yard_ids::DeviceId;

use super::{Flaw, message_id, payload};
use crate::contracts::{CompiledContract, escape};

/// How far a device's clock may be behind, buffered readings included.
const OLDEST: Duration = Duration::days(7);
/// How far it may be ahead.
const NEWEST: Duration = Duration::minutes(10);

/// A reading that fits its contract.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading {
    pub(super) message_id: Uuid,
    pub(super) occurred_at: OffsetDateTime,
    /// The device's run and its number within it, where it sends them.
    pub(super) position: Option<(i64, i64)>,
    pub(super) values: Value,
    pub(super) receipt: bool,
}

/// A message that is kept aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Quarantined {
    pub(super) message_id: Uuid,
    pub(super) flaw: Flaw,
}

/// Accepts a reading or says what is wrong with it.
pub(super) fn decide(
    device: DeviceId,
    contract: &CompiledContract,
    topic: &str,
    bytes: &[u8],
    now: OffsetDateTime,
) -> Result<Reading, Quarantined> {
    read(device, contract, topic, bytes, now).map_err(|flaw| Quarantined {
        message_id: message_id::of_content(device, topic, bytes),
        flaw,
    })
}

fn read(
    device: DeviceId,
    contract: &CompiledContract,
    topic: &str,
    bytes: &[u8],
    now: OffsetDateTime,
) -> Result<Reading, Flaw> {
    let mut object = payload::read(bytes)?;
    let at = object.remove("at");
    let position = position(&mut object)?;
    let receipt = receipt(&mut object)?;
    let values = object.remove("values");
    if let Some(unknown) = object.keys().next() {
        let pointer = format!("/{}", escape(unknown));
        return Err(Flaw::new(Code::TelemetryUnknownField, &pointer, "not a field of a message"));
    }
    let occurred_at = moment(at, now)?;
    let values = checked_values(values, contract)?;
    let message_id = match position {
        Some((epoch, sequence)) => message_id::of_sequence(device, epoch, sequence),
        None => message_id::of_content(device, topic, bytes),
    };
    // Without a position a receipt could not say which reading it is for.
    let receipt = receipt && position.is_some();
    Ok(Reading { message_id, occurred_at, position, values, receipt })
}

fn position(object: &mut Map<String, Value>) -> Result<Option<(i64, i64)>, Flaw> {
    let epoch = payload::take_count(object, "epoch")?;
    let sequence = payload::take_count(object, "seq")?;
    let lone =
        |pointer| Flaw::new(Code::TelemetryMissingField, pointer, "epoch and seq go together");
    match (epoch, sequence) {
        (Some(epoch), Some(sequence)) => Ok(Some((epoch, sequence))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(lone("/seq")),
        (None, Some(_)) => Err(lone("/epoch")),
    }
}

fn receipt(object: &mut Map<String, Value>) -> Result<bool, Flaw> {
    match object.remove("receipt") {
        None => Ok(false),
        Some(Value::Bool(wanted)) => Ok(wanted),
        Some(_) => {
            Err(Flaw::new(Code::TelemetryTypeMismatch, "/receipt", "has to be true or false"))
        }
    }
}

fn moment(at: Option<Value>, now: OffsetDateTime) -> Result<OffsetDateTime, Flaw> {
    let text = match at {
        None => {
            return Err(Flaw::new(Code::TelemetryTimestampMissing, "/at", "is missing"));
        }
        Some(Value::String(text)) => text,
        Some(_) => {
            return Err(Flaw::new(Code::TelemetryTypeMismatch, "/at", "has to be a text"));
        }
    };
    let at = OffsetDateTime::parse(&text, &Rfc3339)
        .map_err(|_error| Flaw::new(Code::TelemetryTypeMismatch, "/at", "has to be RFC 3339"))?;
    if at < now - OLDEST || at > now + NEWEST {
        let detail = "more than 10 minutes ahead or 7 days back";
        return Err(Flaw::new(Code::TelemetryTimestampSkewed, "/at", detail));
    }
    // What the database keeps; a repetition has to meet the same key.
    let micros = at.nanosecond() / 1_000 * 1_000;
    Ok(at.to_offset(time::UtcOffset::UTC).replace_nanosecond(micros).unwrap_or(at))
}

fn checked_values(values: Option<Value>, contract: &CompiledContract) -> Result<Value, Flaw> {
    let values = match values {
        None => {
            return Err(Flaw::new(Code::TelemetryMissingField, "/values", "is missing"));
        }
        Some(values @ Value::Object(_)) => values,
        Some(_) => {
            return Err(Flaw::new(Code::TelemetryTypeMismatch, "/values", "has to be an object"));
        }
    };
    contract.check_values(&values).map_err(|violation| {
        let pointer = format!("/values{}", violation.pointer);
        Flaw::new(violation.kind.telemetry_code(), &pointer, violation.detail)
    })?;
    if payload::holds_nul(&values) {
        let detail = "a text holds the character NUL";
        return Err(Flaw::new(Code::TelemetryContractViolated, "/values", detail));
    }
    Ok(values)
}
