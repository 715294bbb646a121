use std::time::Duration;

use proptest::prelude::*;
use prost::Message as _;
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;
use yard_contracts::telemetry::v1::TelemetryRecord;
use yard_contracts::{subjects, values};
use yard_fault::AckDecision;
use yard_ids::{DeviceId, TenantId};
use yard_messaging::Delivery;

use super::live::Conflation;
use super::row::Row;

fn tenant(n: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(n))
}

fn device(n: u128) -> DeviceId {
    DeviceId::from_uuid(Uuid::from_u128(n))
}

fn record() -> TelemetryRecord {
    let at = values::timestamp(OffsetDateTime::from_unix_timestamp(1_763_700_000).unwrap());
    TelemetryRecord {
        message_id: Uuid::from_u128(9).to_string(),
        tenant_id: tenant(1).to_string(),
        device_id: device(2).to_string(),
        occurred_at: Some(at),
        received_at: Some(at),
        epoch: 3,
        sequence: 4,
        values_json: r#"{"t":1}"#.to_owned(),
        receipt_requested: true,
    }
}

fn delivery(payload: Vec<u8>) -> Delivery {
    Delivery {
        payload: payload.into(),
        subject: subjects::telemetry(tenant(1), device(2), "reading"),
        message_id: None,
        traceparent: None,
        attempt: 1,
        stream_sequence: 1,
        published_at: OffsetDateTime::UNIX_EPOCH,
    }
}

fn row(device_number: u128, sequence: i64) -> Row {
    let mut row = Row::read(0, &delivery(record().encode_to_vec())).unwrap();
    row.device = device(device_number);
    row.sequence = sequence;
    row
}

#[test]
fn record_that_is_complete_becomes_a_row() {
    let row = Row::read(7, &delivery(record().encode_to_vec())).unwrap();
    assert_eq!((row.index, row.tenant, row.device), (7, tenant(1), device(2)));
    assert_eq!((row.epoch, row.sequence, row.receipt_requested), (3, 4, true));
}

#[test]
fn record_with_a_wrong_field_goes_to_the_dead_letters() {
    type Spoil = fn(&mut TelemetryRecord);
    let cases: [Spoil; 8] = [
        |r| r.message_id.clear(),
        |r| r.tenant_id = tenant(5).to_string(),
        |r| r.tenant_id = "x".to_owned(),
        |r| r.device_id = device(5).to_string(),
        |r| r.occurred_at = None,
        |r| r.received_at = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
        |r| r.values_json = "[1]".to_owned(),
        |r| r.values_json.clear(),
    ];
    for (number, spoil) in cases.into_iter().enumerate() {
        let mut record = record();
        spoil(&mut record);
        let fault = Row::read(0, &delivery(record.encode_to_vec())).unwrap_err();
        assert_eq!(fault.class().ack_decision(), AckDecision::DeadLetter, "case {number}");
    }
}

proptest! {
    #[test]
    fn row_read_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(Row::read(0, &delivery(bytes)));
    }

    #[test]
    fn conflation_tells_the_latest_and_no_more_than_allowed(
        sizes in proptest::collection::vec(1_usize..60, 1..30),
        step_ms in 100_u64..400,
    ) {
        let conflation = Conflation::new(10);
        let begun = Instant::now();
        let mut told = 0;
        for (round, size) in sizes.iter().enumerate() {
            let now = begun + Duration::from_millis(step_ms * round as u64);
            let rows: Vec<Row> = (0..*size).map(|n| row(2, n as i64)).collect();
            let selected = conflation.select(&rows, now);
            prop_assert_eq!(selected.last().unwrap().sequence, *size as i64 - 1);
            told += selected.len();
        }
        let seconds = (step_ms * sizes.len() as u64) as f64 / 1_000.0;
        prop_assert!(told as f64 <= 10.0 + seconds * 10.0 + 1.0, "{} in {}", told, seconds);
    }
}

#[test]
fn conflation_treats_devices_apart_and_forgets_the_idle() {
    let (conflation, now) = (Conflation::new(1), Instant::now());
    let rows: Vec<Row> = (0..60_000).map(|n| row(n, 1)).collect();
    assert_eq!(conflation.select(&rows, now).len(), rows.len());
    assert_eq!(conflation.remembered(), 60_000);
    assert_eq!(conflation.select(&rows[..1], now + Duration::from_secs(5)).len(), 1);
    assert_eq!(conflation.remembered(), 1);
}
