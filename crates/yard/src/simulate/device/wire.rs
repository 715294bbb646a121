//! MQTT topics and payloads of a device.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// A device's topics.
#[derive(Debug)]
pub(super) struct Topics {
    pub(super) telemetry: String,
    pub(super) status: String,
    pub(super) report: String,
    pub(super) command: String,
    pub(super) receipt: String,
}

impl Topics {
    pub(super) fn of(device: Uuid) -> Self {
        let topic = |name: &str| format!("device/{device}/{name}");
        Self {
            telemetry: topic("telemetry"),
            status: topic("status"),
            report: topic("command/ack"),
            command: topic("command"),
            receipt: topic("receipt"),
        }
    }
}

/// A command as it reaches the device.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Order {
    pub(super) command_id: Uuid,
    pub(super) name: String,
    #[serde(default)]
    pub(super) arguments: Map<String, Value>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub(super) deadline: Option<OffsetDateTime>,
}

/// A step of a command as the device reports it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Report {
    pub(super) command_id: Uuid,
    pub(super) state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
}

/// Sequences that are stored.
#[derive(Debug, Deserialize)]
pub(super) struct Receipt {
    pub(super) epoch: i64,
    pub(super) sequences: Vec<u64>,
}

/// A reading; the same bytes for as long as it is repeated, because its time is part of its key.
pub(super) fn reading(
    at: OffsetDateTime,
    epoch: i64,
    sequence: u64,
    receipt: bool,
    values: &Map<String, Value>,
) -> Vec<u8> {
    let mut body = json!({ "at": text(at), "epoch": epoch, "seq": sequence, "values": values });
    if receipt {
        body["receipt"] = Value::Bool(true);
    }
    body.to_string().into_bytes()
}

/// The retained status; the last will has no time, for nobody knows when it will be needed.
pub(super) fn status(online: bool, epoch: i64, at: Option<OffsetDateTime>, cause: &str) -> Vec<u8> {
    let mut body = json!({ "state": if online { "online" } else { "offline" }, "epoch": epoch });
    if let Some(at) = at {
        body["at"] = Value::String(text(at));
    }
    if !cause.is_empty() {
        body["cause"] = Value::String(cause.to_owned());
    }
    body.to_string().into_bytes()
}

/// Microseconds are what the database keeps.
fn text(at: OffsetDateTime) -> String {
    let micros = at.microsecond() * 1_000;
    let at = at.replace_nanosecond(micros).unwrap_or(at);
    at.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn reading_has_the_agreed_fields_and_no_others() {
        let values = json!({ "flow_lps": 1.5 }).as_object().unwrap().clone();
        let at = datetime!(2026-01-02 03:04:05.123456789 UTC);
        let body: Value = serde_json::from_slice(&reading(at, 9, 1, false, &values)).unwrap();
        let expected = json!({
            "at": "2026-01-02T03:04:05.123456Z", "epoch": 9, "seq": 1, "values": {"flow_lps": 1.5},
        });
        assert_eq!(body, expected);
        let body: Value = serde_json::from_slice(&reading(at, 9, 1, true, &values)).unwrap();
        assert_eq!(body["receipt"], true);
    }

    #[test]
    fn last_will_has_no_time_and_says_why() {
        let body: Value =
            serde_json::from_slice(&status(false, 9, None, "connection-lost")).unwrap();
        assert_eq!(body, json!({"state":"offline","epoch":9,"cause":"connection-lost"}));
    }

    #[test]
    fn order_without_arguments_is_read() {
        let text = r#"{"command_id":"0190a6f2-7c2a-7b52-9c11-6f2b7a3c4d5e","name":"x",
            "deadline":"2026-01-02T03:04:05Z"}"#;
        let order: Order = serde_json::from_str(text).unwrap();
        assert_eq!(order.deadline, Some(datetime!(2026-01-02 03:04:05 UTC)));
    }
}
