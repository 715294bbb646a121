use async_nats::jetstream;
use prost::Message as _;
use serde_json::json;
use yard_contracts::device::v1::{
    DeviceStandingReply, DeviceStandingRequest, ListQuarantineRequest, QuarantinedMessage,
};
use yard_contracts::subjects;
use yard_contracts::telemetry::v1::{StoredReceipt, TelemetryRecord};
use yard_contracts::topics::{Downlink, Uplink};
use yard_ids::{DeviceId, IdSource as _, RandomIds};
use yard_testkit::eventually;

use crate::device::{Device, stream_holds};
use crate::support::{SOON, Service, World};

/// Everything in TELEMETRY, by the stream's order.
async fn records(world: &World) -> Vec<TelemetryRecord> {
    let jetstream = jetstream::new(world.nats.client().await);
    let stream = jetstream.get_stream("TELEMETRY").await.unwrap();
    let state = stream.cached_info().state.clone();
    let mut records = Vec::new();
    for sequence in state.first_sequence..=state.last_sequence {
        let message = stream.get_raw_message(sequence).await.unwrap();
        records.push(TelemetryRecord::decode(message.payload).unwrap());
    }
    records
}

async fn quarantined(
    world: &World,
    service: &Service,
    device: DeviceId,
) -> Vec<QuarantinedMessage> {
    let request =
        ListQuarantineRequest { device_id: device.to_string(), ..ListQuarantineRequest::default() };
    let answer = service.devices().list_quarantine(world.own(request)).await.unwrap();
    answer.into_inner().messages
}

#[tokio::test]
async fn req_lmu_20_reading_arrives_in_jetstream_with_the_registrys_tenant() {
    let world = World::start().await;
    let service = world.service().await;
    let id = world.device(&service).await;
    let device = Device::connect(&world, id, 4).await;
    for sequence in 1..=20 {
        device.measure(sequence).await;
    }
    stream_holds(&world, "TELEMETRY", 20).await;
    let records = records(&world).await;
    let sequences: Vec<i64> = records.iter().map(|record| record.sequence).collect();
    assert_eq!(sequences, (1..=20).collect::<Vec<_>>(), "order is kept");
    assert!(records.iter().all(|r| r.tenant_id == world.tenant.to_string() && r.epoch == 4));
    assert_eq!(records[0].values_json, r#"{"flow":1.5}"#);
    assert!(service.stop().await);
}

#[tokio::test]
async fn readings_during_a_cut_bus_are_unacknowledged_and_come_again() {
    let world = World::start().await;
    world
        .log
        .expect("broker connection lost")
        .expect("no MQTT broker; trying again")
        .expect("tasks did not finish in time");
    let service = world.service().await;
    let id = world.device(&service).await;
    let device = Device::connect(&world, id, 1).await;
    device.measure(0).await;
    stream_holds(&world, "TELEMETRY", 1).await;

    world.nats_line.cut();
    for sequence in 1..=50 {
        device.measure(sequence).await;
    }
    // Had anything been acknowledged to the broker, the next instance would not get it.
    service.abandon().await;
    assert_eq!(world.stored("TELEMETRY").await, 1);
    world.nats_line.restore();
    let service = world.service().await;
    stream_holds(&world, "TELEMETRY", 51).await;
    let mut sequences: Vec<i64> = records(&world).await.iter().map(|r| r.sequence).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (0..=50).collect::<Vec<_>>());
    assert!(service.stop().await);
}

#[tokio::test]
async fn cut_bus_is_survived_without_a_restart_and_without_loss() {
    let world = World::start().await;
    world.log.expect("broker connection lost");
    let service = world.service().await;
    let id = world.device(&service).await;
    let device = Device::connect(&world, id, 1).await;
    world.nats_line.cut();
    for sequence in 1..=30 {
        device.measure(sequence).await;
    }
    world.nats_line.restore();
    for sequence in 31..=40 {
        device.measure(sequence).await;
    }
    stream_holds(&world, "TELEMETRY", 40).await;
    // All were acknowledged in the end: the next instance is given nothing.
    assert!(service.stop().await);
    let service = world.service().await;
    device.measure(41).await;
    stream_holds(&world, "TELEMETRY", 41).await;
    assert!(service.stop().await);
}

#[tokio::test]
async fn broker_restart_is_followed_by_new_subscriptions() {
    let mut world = World::start().await;
    world.log.expect("no MQTT broker; trying again");
    let service = world.service().await;
    let id = world.device(&service).await;
    let device = Device::connect(&world, id, 1).await;
    device.measure(1).await;
    stream_holds(&world, "TELEMETRY", 1).await;
    world.broker.kill();
    world.broker.start_again();
    service.ready().await;
    device.insist(2).await;
    stream_holds(&world, "TELEMETRY", 2).await;
    assert!(service.stop().await);
}

#[tokio::test]
async fn poison_is_kept_aside_told_and_stalls_nobody() {
    let world = World::start().await;
    let service = world.service().await;
    let id = world.device(&service).await;
    let stranger = DeviceId::from_uuid(RandomIds.uuid7());
    let stranger = Device::connect(&world, stranger, 1).await;
    let mut device = Device::connect(&world, id, 1).await;
    stranger.measure(1).await;
    let bad: [(Vec<u8>, &str, &str); 6] = [
        (b"{".to_vec(), "telemetry.malformed", ""),
        (b"\xff".to_vec(), "telemetry.invalid_utf8", ""),
        ("[".repeat(10_000).into_bytes(), "telemetry.too_deep", ""),
        (vec![b'x'; 256 * 1024 + 1], "telemetry.too_large", ""),
        (
            device.reading(1, -1.0).to_string().into_bytes(),
            "telemetry.out_of_range",
            "/values/flow",
        ),
        (
            json!({"values": {"flow": 1}}).to_string().into_bytes(),
            "telemetry.timestamp_missing",
            "/at",
        ),
    ];
    for (payload, ..) in &bad {
        device.send(Uplink::Telemetry, payload.clone()).await;
    }
    // A repetition is the same message.
    device.send(Uplink::Telemetry, b"{".to_vec()).await;
    device.measure(2).await;
    stream_holds(&world, "TELEMETRY", 1).await;

    let kept = eventually(SOON, || async {
        let kept = quarantined(&world, &service, id).await;
        if kept.len() == bad.len() { Ok(kept) } else { Err(kept.len()) }
    })
    .await;
    for (payload, code, pointer) in bad {
        let found = kept.iter().find(|message| message.reason_code == code).expect(code);
        assert_eq!(found.pointer, pointer);
        assert!(payload.starts_with(&found.payload) && found.payload.len() <= 4_096);
    }
    let notice = device.next(Downlink::Error).await;
    assert_eq!(notice["code"], "telemetry.malformed");
    assert!(service.stop().await);
}

#[tokio::test]
async fn known_devices_are_served_while_the_database_is_away() {
    let world = World::start().await;
    world.log.expect("query failed").expect("does not answer");
    world.log.expect("could not write down who was heard").expect("could not end overdue commands");
    let service = world.service().await;
    let contract = world.contract(&service).await;
    let known = world.device_of(&service, &contract, "known").await.device_id.parse().unwrap();
    let known = Device::connect(&world, known, 1).await;
    known.measure(1).await;
    stream_holds(&world, "TELEMETRY", 1).await;
    world.db_line.cut();
    let stranger = Device::connect(&world, DeviceId::from_uuid(RandomIds.uuid7()), 1).await;
    stranger.measure(1).await;
    known.measure(2).await;
    known.measure(3).await;
    stream_holds(&world, "TELEMETRY", 3).await;
    world.db_line.restore();
    service.ready().await;
    known.measure(4).await;
    stream_holds(&world, "TELEMETRY", 4).await;
    assert!(service.stop().await);
}

#[tokio::test]
async fn receipt_of_the_worker_reaches_the_device() {
    let world = World::start().await;
    let service = world.service().await;
    let id = world.device(&service).await;
    let mut device = Device::connect(&world, id, 9).await;
    let receipt = StoredReceipt { device_id: id.to_string(), epoch: 9, sequences: vec![1, 2] };
    let nats = world.nats.client().await;
    let subject = subjects::receipt(world.tenant, id);
    nats.publish(subject, receipt.encode_to_vec().into()).await.unwrap();
    nats.flush().await.unwrap();
    let told = device.next(Downlink::Receipt).await;
    assert_eq!(told, json!({"epoch": 9, "sequences": [1, 2]}));
    assert!(service.stop().await);
}

async fn set_standing(world: &World, device: DeviceId, quarantined: bool, version: i64) -> bool {
    let request = DeviceStandingRequest {
        device_id: device.to_string(),
        tenant_id: world.tenant.to_string(),
        quarantined,
        version,
    };
    let nats = world.nats.client().await;
    let answer = nats.request(subjects::DEVICE_STANDING, request.encode_to_vec().into()).await;
    DeviceStandingReply::decode(answer.unwrap().payload).unwrap().in_force
}

#[tokio::test]
async fn device_in_quarantine_is_heard_and_not_believed_until_it_is_approved() {
    let world = World::start().await;
    let service = world.service().await;
    let id = world.device(&service).await;
    let mut device = Device::connect(&world, id, 1).await;
    device.measure(1).await;
    stream_holds(&world, "TELEMETRY", 1).await;
    assert!(set_standing(&world, id, true, 1).await);
    // From the answer on: no message after it is accepted.
    device.measure(2).await;
    let ack = json!({"command_id": RandomIds.uuid7().to_string(), "state": "succeeded"});
    device.say(Uplink::CommandAck, &ack).await;
    let notice = device.next(Downlink::Error).await;
    assert_eq!(notice["code"], "device.quarantined");
    let kept = eventually(SOON, || async {
        let kept = quarantined(&world, &service, id).await;
        (kept.len() == 2).then_some(kept)
    })
    .await;
    assert!(kept.iter().all(|message| message.reason_code == "device.quarantined"), "{kept:?}");
    assert_eq!(world.stored("TELEMETRY").await, 1);

    // A restart remembers it, an older word changes nothing, and nobody else's device is touched.
    assert!(service.stop().await);
    let service = world.service().await;
    assert!(set_standing(&world, id, false, 1).await);
    device.measure(3).await;
    eventually(SOON, || async { quarantined(&world, &service, id).await.len() == 3 }).await;
    let foreign = DeviceId::from_uuid(RandomIds.uuid7());
    assert!(!set_standing(&world, foreign, true, 5).await);

    assert!(set_standing(&world, id, false, 2).await);
    device.measure(4).await;
    stream_holds(&world, "TELEMETRY", 2).await;
    assert!(service.stop().await);
}

#[tokio::test]
async fn standing_that_an_instance_has_not_heard_is_found_in_the_directory() {
    let world = World::start().await;
    let service = world.service().await;
    let id = world.device(&service).await;
    let device = Device::connect(&world, id, 1).await;
    let set = format!(
        "update platform.device_directory set quarantined = true, standing_version = 1 \
         where device_id = '{id}'"
    );
    world.db.sql(&set).await;
    let mut sequence = 0;
    let count = || async { quarantined(&world, &service, id).await.len() };
    let mut found = 0;
    let begun = std::time::Instant::now();
    while found == 0 {
        assert!(begun.elapsed() < SOON, "still believed");
        sequence += 1;
        device.measure(sequence).await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        found = count().await;
    }
    assert!(service.stop().await);
}
