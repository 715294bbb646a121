use proptest::prelude::*;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use yard_fault::Code;
use yard_ids::{ContractId, DeviceId};

use super::verdict::{self, Quarantined, Reading};
use super::{DEEPEST, LARGEST_PAYLOAD, reports};
use crate::contracts::CompiledContract;

const DEVICE: DeviceId = DeviceId::from_uuid(Uuid::from_u128(7));
const TOPIC: &str = "device/00000000-0000-0000-0000-000000000007/telemetry";

fn now() -> OffsetDateTime {
    OffsetDateTime::parse("2026-11-21T12:00:00Z", &Rfc3339).unwrap()
}

fn contract() -> CompiledContract {
    let schema = json!({
        "type": "object",
        "properties": {
            "flow": {"type": "number", "minimum": 0, "maximum": 100},
            "note": {"type": "string", "maxLength": 300_000},
            "count": {"type": "integer"},
            "deep": {},
        },
        "required": ["flow"],
        "additionalProperties": false,
    });
    CompiledContract::new(ContractId::from_uuid(Uuid::nil()), &schema, &[]).unwrap()
}

fn decide(bytes: &[u8]) -> Result<Reading, Quarantined> {
    verdict::decide(DEVICE, &contract(), TOPIC, bytes, now())
}

fn message(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut message = json!({
        "at": "2026-11-21T11:59:59.123456Z",
        "epoch": 3,
        "seq": 14,
        "values": {"flow": 1.5},
    });
    change(&mut message);
    message.to_string().into_bytes()
}

fn remove(name: &'static str) -> impl FnOnce(&mut Value) {
    move |message| {
        message.as_object_mut().unwrap().remove(name);
    }
}

fn refused(bytes: &[u8]) -> (Code, String) {
    let quarantined = decide(bytes).unwrap_err();
    (quarantined.flaw.code, quarantined.flaw.pointer)
}

#[test]
fn req_lmu_20_reading_that_fits_its_contract_is_accepted() {
    let reading = decide(&message(|_| {})).unwrap();
    assert_eq!(reading.position, Some((3, 14)));
    assert_eq!(reading.values, json!({"flow": 1.5}));
    assert_eq!(reading.occurred_at, now() - Duration::microseconds(876_544));
    assert!(!reading.receipt);
    let bare = decide(&message(|m| {
        remove("epoch")(m);
        remove("seq")(m);
        m["receipt"] = json!(true);
    }));
    let bare = bare.unwrap();
    assert_eq!((bare.position, bare.receipt), (None, false), "nothing to confirm by");
}

#[test]
fn bytes_that_are_no_json_object_are_quarantined() {
    let cases: [(&[u8], Code); 9] = [
        (b"", Code::TelemetryMalformed),
        (b"{", Code::TelemetryMalformed),
        (b"{\"at\":}", Code::TelemetryMalformed),
        (b"[1,2]", Code::TelemetryMalformed),
        (b"null", Code::TelemetryMalformed),
        (b"{\"at\":1e999}", Code::TelemetryMalformed),
        (b"{\"at\":\"\\ud800\"}", Code::TelemetryMalformed),
        (b"\xff\xfe", Code::TelemetryInvalidUtf8),
        (b"{\"at\":\"\xc3\x28\"}", Code::TelemetryInvalidUtf8),
    ];
    for (bytes, code) in cases {
        assert_eq!(refused(bytes), (code, String::new()), "{bytes:?}");
    }
}

type Change = fn(&mut Value);

fn all_refused(code: Code, cases: &[(Change, &str)]) {
    for (change, pointer) in cases {
        let bytes = message(change);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert_eq!(refused(&bytes), (code, (*pointer).to_owned()), "{text}");
    }
}

#[test]
fn values_that_break_the_contract_are_quarantined_with_their_place() {
    let types: [(Change, &str); 3] = [
        (|m| m["values"]["flow"] = json!("1"), "/values/flow"),
        (|m| m["values"]["count"] = json!(1.5), "/values/count"),
        (|m| m["values"] = json!([1]), "/values"),
    ];
    all_refused(Code::TelemetryTypeMismatch, &types);
    let missing: [(Change, &str); 2] =
        [(|m| m["values"] = json!({}), "/values/flow"), (|m| remove("values")(m), "/values")];
    all_refused(Code::TelemetryMissingField, &missing);
    let ranges: [(Change, &str); 2] = [
        (|m| m["values"]["flow"] = json!(100.1), "/values/flow"),
        (|m| m["values"]["flow"] = json!(-0.001), "/values/flow"),
    ];
    all_refused(Code::TelemetryOutOfRange, &ranges);
    let unknown: Change = |m| m["values"]["other"] = json!(1);
    all_refused(Code::TelemetryUnknownField, &[(unknown, "/values/other")]);
    let nul: Change = |m| m["values"]["note"] = json!("a\u{0}b");
    all_refused(Code::TelemetryContractViolated, &[(nul, "/values")]);
}

#[test]
fn fields_around_the_values_are_checked_as_strictly() {
    let unknown: [(Change, &str); 2] =
        [(|m| m["tenant"] = json!("x"), "/tenant"), (|m| m["a/b"] = json!(1), "/a~1b")];
    all_refused(Code::TelemetryUnknownField, &unknown);
    let types: [(Change, &str); 5] = [
        (|m| m["at"] = json!(1_700_000_000), "/at"),
        (|m| m["at"] = json!("yesterday"), "/at"),
        (|m| m["receipt"] = json!("yes"), "/receipt"),
        (|m| m["seq"] = json!(1.5), "/seq"),
        (|m| m["seq"] = json!("14"), "/seq"),
    ];
    all_refused(Code::TelemetryTypeMismatch, &types);
    let ranges: [(Change, &str); 3] = [
        (|m| m["epoch"] = json!(-1), "/epoch"),
        (|m| m["seq"] = json!(1_i64 << 53), "/seq"),
        (|m| m["seq"] = json!(u64::MAX), "/seq"),
    ];
    all_refused(Code::TelemetryOutOfRange, &ranges);
    let alone: [(Change, &str); 2] =
        [(|m| remove("seq")(m), "/seq"), (|m| remove("epoch")(m), "/epoch")];
    all_refused(Code::TelemetryMissingField, &alone);
    decide(&message(|m| m["seq"] = json!((1_i64 << 53) - 1))).unwrap();
}

#[test]
fn timestamps_are_taken_up_to_their_edges() {
    let at =
        |moment: OffsetDateTime| message(|m| m["at"] = json!(moment.format(&Rfc3339).unwrap()));
    let (oldest, newest) = (now() - Duration::days(7), now() + Duration::minutes(10));
    decide(&at(oldest)).unwrap();
    decide(&at(newest)).unwrap();
    for skewed in [oldest - Duration::nanoseconds(1), newest + Duration::nanoseconds(1)] {
        assert_eq!(refused(&at(skewed)).0, Code::TelemetryTimestampSkewed, "{skewed}");
    }
    let missing = refused(&message(remove("at")));
    assert_eq!(missing, (Code::TelemetryTimestampMissing, "/at".to_owned()));
    let other_zone = decide(&message(|m| m["at"] = json!("2026-11-21T13:30:00+01:30")));
    assert_eq!(other_zone.unwrap().occurred_at, now());
}

#[test]
fn payload_of_exactly_256_kib_is_taken_and_one_byte_more_is_not() {
    let empty = message(|m| m["values"]["note"] = json!("")).len();
    let sized = |bytes: usize| message(|m| m["values"]["note"] = json!("x".repeat(bytes - empty)));
    let largest = sized(LARGEST_PAYLOAD);
    assert_eq!(largest.len(), LARGEST_PAYLOAD);
    decide(&largest).unwrap();
    assert_eq!(refused(&sized(LARGEST_PAYLOAD + 1)).0, Code::TelemetryTooLarge);
}

#[test]
fn nesting_is_counted_before_anything_is_parsed() {
    let bomb = "[".repeat(10_000);
    assert_eq!(refused(bomb.as_bytes()).0, Code::TelemetryTooDeep);
    let closed = format!("{}{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    assert_eq!(refused(closed.as_bytes()).0, Code::TelemetryTooDeep);
    // The message and its values are two levels.
    let nested = |levels: usize| {
        let deep = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        message(|m| m["values"]["deep"] = serde_json::from_str(&deep).unwrap())
    };
    decide(&nested(DEEPEST - 2)).unwrap();
    assert_eq!(refused(&nested(DEEPEST - 1)).0, Code::TelemetryTooDeep);
    let quoted = message(|m| m["values"]["note"] = json!("[{\\\"".repeat(100)));
    decide(&quoted).unwrap();
}

#[test]
fn replayed_message_meets_the_same_id() {
    let first = decide(&message(|_| {})).unwrap();
    // Numbered readings are told apart by their number alone.
    let again = decide(&message(|m| m["receipt"] = json!(true))).unwrap();
    assert_eq!(first.message_id, again.message_id);
    let next = decide(&message(|m| m["seq"] = json!(15))).unwrap();
    assert_ne!(first.message_id, next.message_id);
    let bare = |at: &str| {
        let bytes = message(|m| {
            remove("epoch")(m);
            remove("seq")(m);
            m["at"] = json!(at);
        });
        decide(&bytes).unwrap().message_id
    };
    assert_eq!(bare("2026-11-21T11:00:00Z"), bare("2026-11-21T11:00:00Z"));
    assert_ne!(bare("2026-11-21T11:00:00Z"), bare("2026-11-21T11:00:01Z"));
    let bad = |bytes: &[u8]| decide(bytes).unwrap_err().message_id;
    assert_eq!(bad(b"{"), bad(b"{"));
    assert_ne!(bad(b"{"), bad(b"}"));
    let other = DeviceId::from_uuid(Uuid::from_u128(8));
    let elsewhere = verdict::decide(other, &contract(), TOPIC, &message(|_| {}), now()).unwrap();
    assert_ne!(first.message_id, elsewhere.message_id);
}

#[test]
fn reports_that_cannot_be_used_are_named() {
    let status = |text: &str| reports::status(text.as_bytes()).map_err(|flaw| flaw.pointer);
    status(r#"{"state":"online","epoch":4,"at":"2026-11-21T12:00:00Z"}"#).unwrap();
    status(r#"{"state":"offline","epoch":4,"cause":"connection-lost"}"#).unwrap();
    for (text, pointer) in [
        (r#"{"state":"online"}"#, "/epoch"),
        (r#"{"state":"online","epoch":"4"}"#, "/epoch"),
        (r#"{"state":"asleep","epoch":4}"#, "/state"),
        (r#"{"epoch":4}"#, "/state"),
        ("{", ""),
    ] {
        assert_eq!(status(text), Err(pointer.to_owned()), "{text}");
    }
    let id = "0190a6f2-7c2a-7b52-9c11-000000000001";
    let command = |body: Value| {
        reports::command(body.to_string().as_bytes()).map_err(|flaw| (flaw.code, flaw.pointer))
    };
    command(json!({"command_id": id, "state": "succeeded", "result": {"a": 1}})).unwrap();
    for (body, pointer) in [
        (json!({"state": "acked"}), "/command_id"),
        (json!({"command_id": "7", "state": "acked"}), "/command_id"),
        (json!({"command_id": id}), "/state"),
        (json!({"command_id": id, "state": "expired"}), "/state"),
        (json!({"command_id": id, "state": "acked", "result": [1]}), "/result"),
        (json!({"command_id": id, "state": "acked", "result": {"a": "\u{0}"}}), "/result"),
    ] {
        let expected = Err((Code::CommandReportInvalid, pointer.to_owned()));
        assert_eq!(command(body.clone()), expected, "{body}");
    }
}

proptest! {
    #[test]
    fn any_bytes_get_a_verdict(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        drop(decide(&bytes));
        drop(reports::status(&bytes));
        drop(reports::command(&bytes));
    }

    #[test]
    fn any_json_like_text_gets_a_verdict(text in r#"[\[\]{}":,a-z0-9\\. eE+-]{0,400}"#) {
        drop(decide(text.as_bytes()));
        drop(reports::status(text.as_bytes()));
        drop(reports::command(text.as_bytes()));
    }

    #[test]
    fn any_number_in_range_is_accepted_and_kept(flow in 0.0_f64..=100.0) {
        let reading = decide(&message(|m| m["values"]["flow"] = json!(flow))).unwrap();
        let kept = reading.values["flow"].as_f64().unwrap();
        prop_assert!((kept - flow).abs() <= f64::EPSILON * flow.abs());
    }
}
