//! What the broker refuses by itself, told by its plugin: counted under a stable code, shown to the
//! device's owner, and no burden on anybody else.

use std::time::Duration;

use prost::Message as _;
use rumqttc::SubscribeReasonCode;
use rumqttc::mqttbytes::v5::PubAckReason;
use serde_json::json;
use yard_contracts::device::v1::{
    CutDeviceReply, CutDeviceRequest, CutOutcome, ListQuarantineRequest, QuarantinedMessage,
};
use yard_contracts::subjects;
use yard_contracts::telemetry::v1::StoredReceipt;
use yard_contracts::topics::{Downlink, Uplink};
use yard_ids::{Clock as _, DeviceId, IdSource as _, RandomIds, SystemClock};
use yard_testkit::eventually;

use crate::device::{Device, stream_holds};
use crate::papers::{self, Papers};
use crate::support::{SOON, Service, World};

const DAY: Duration = Duration::from_secs(86_400);

/// A counter or gauge of this process; 0 before it was first touched.
fn metric(line: &str) -> f64 {
    let text = yard_runtime::metrics_text();
    let found = text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok());
    found.unwrap_or(0.0)
}

fn refusals(code: &str, how: &str) -> f64 {
    metric(&format!("yard_broker_refusals_total{{code=\"{code}\",how=\"{how}\"}}"))
}

/// Tests of one process share the counters, so what is awaited is "at least so many more".
async fn counted(code: &str, how: &str, before: f64, more: f64) {
    eventually(SOON, || async {
        let now = refusals(code, how);
        if now >= before + more { Ok(()) } else { Err(format!("{code} {how}: {now} of {before}")) }
    })
    .await;
}

async fn kept(world: &World, service: &Service, device: DeviceId) -> Vec<QuarantinedMessage> {
    let request =
        ListQuarantineRequest { device_id: device.to_string(), ..ListQuarantineRequest::default() };
    service.devices().list_quarantine(world.own(request)).await.unwrap().into_inner().messages
}

async fn world() -> (World, Service) {
    // Installs the recorder before anything is counted.
    drop(yard_runtime::metrics_text());
    let world = World::start().await;
    // What these tests are about is warned of.
    world.log.expect("the broker refused a ");
    let service = world.service().await;
    (world, service)
}

#[tokio::test]
async fn topic_of_another_device_is_refused_counted_and_shown_to_the_owner() {
    let (world, service) = world().await;
    let contract = world.contract(&service).await;
    let mut ids = Vec::new();
    for name in ["thief", "victim"] {
        let made = world.device_of(&service, &contract, name).await;
        ids.push(made.device_id.parse::<DeviceId>().unwrap());
    }
    let (thief, victim) = (ids[0], ids[1]);
    let device = Device::connect(&world, thief, 1).await;
    let foreign = Uplink::Telemetry.topic(victim);
    let before = refusals("telemetry.topic_foreign", "publish");
    for sequence in 0..3 {
        let reading = device.reading(sequence, 1.5).to_string();
        let answer = device.publish_on(&foreign, &reading).await;
        assert_eq!(answer, PubAckReason::NotAuthorized);
    }
    for topic in [Downlink::Command.topic(thief), "$CONTROL/yard/v1".into(), "x".into()] {
        assert_eq!(device.publish_on(&topic, "{}").await, PubAckReason::NotAuthorized, "{topic}");
    }
    counted("telemetry.topic_foreign", "publish", before, 6.0).await;
    let rejected = "yard_ingest_messages_total{verdict=\"rejected\",\
                    reason=\"telemetry.topic_foreign\"}";
    assert!(metric(rejected) >= 6.0);
    // The pipeline goes on, and nothing of the six was taken.
    device.measure(9).await;
    stream_holds(&world, "TELEMETRY", 1).await;
    let rows = eventually(SOON, || async {
        let rows = kept(&world, &service, thief).await;
        if rows.is_empty() { Err("no row yet") } else { Ok(rows) }
    })
    .await;
    assert_eq!(rows.len(), 1, "at most one row a minute");
    assert_eq!(rows[0].reason_code, "telemetry.topic_foreign");
    assert!(rows[0].topic.starts_with("device/"), "{}", rows[0].topic);
    assert!(kept(&world, &service, victim).await.is_empty());
    assert!(world.log.contains("the broker refused a device"), "warned of");
    assert!(service.stop().await);
}

#[tokio::test]
async fn subscription_outside_its_own_topics_is_refused_and_counted() {
    let (world, service) = world().await;
    let id = world.device(&service).await;
    let device = Device::connect(&world, id, 1).await;
    let other = DeviceId::from_uuid(RandomIds.uuid7());
    let before = refusals("telemetry.topic_foreign", "subscribe");
    let foreign = [
        "#".to_owned(),
        "device/+/command".to_owned(),
        Downlink::Command.topic(other),
        format!("$share/g/{}", Downlink::Command.topic(other)),
        "$yard/#".to_owned(),
        "$SYS/#".to_owned(),
    ];
    for filter in &foreign {
        let answer = device.subscribe_to(filter).await;
        assert_eq!(answer, SubscribeReasonCode::NotAuthorized, "{filter}");
    }
    let own = device.subscribe_to(&format!("device/{id}/#")).await;
    assert!(matches!(own, SubscribeReasonCode::Success(_)), "{own:?}");
    counted("telemetry.topic_foreign", "subscribe", before, 6.0).await;
    assert!(service.stop().await);
}

#[tokio::test]
async fn foreign_revoked_and_missing_certificates_are_counted_and_stall_nobody() {
    let (world, service) = world().await;
    let id = world.device(&service).await;
    let device = Device::connect(&world, id, 1).await;
    // Another's: who connects a second time ends the first connection.
    let other = DeviceId::from_uuid(RandomIds.uuid7());
    let name = other.to_string();
    let code = "device.certificate_refused";
    let (unverified, missing) = (refusals(code, "unverified"), refusals(code, "missing"));

    let revoked = Papers::numbered(&world, other, 77);
    assert!(revoked.open_the_door(&world, &name).await, "still good");
    papers::put_in_force(&world, 2, &[77], SystemClock.now() + DAY);
    eventually(SOON, || async { !revoked.open_the_door(&world, &name).await }).await;
    counted(code, "unverified", unverified, 1.0).await;
    let unverified = refusals(code, "unverified");
    assert!(!Papers::foreign(other).open_the_door(&world, &name).await, "another authority's");
    counted(code, "unverified", unverified, 1.0).await;
    assert!(!Papers::none().open_the_door(&world, &name).await, "without one");
    counted(code, "missing", missing, 1.0).await;

    device.measure(1).await;
    stream_holds(&world, "TELEMETRY", 1).await;
    assert_eq!(device.connects(), 1);
    assert!(service.stop().await);
}

#[tokio::test]
async fn client_id_of_another_device_is_replaced_and_disturbs_nobody() {
    let (world, service) = world().await;
    let contract = world.contract(&service).await;
    let made = world.device_of(&service, &contract, "victim").await;
    let victim: DeviceId = made.device_id.parse().unwrap();
    let made = world.device_of(&service, &contract, "impostor").await;
    let impostor: DeviceId = made.device_id.parse().unwrap();
    let mut device = Device::connect(&world, victim, 4).await;
    let as_victim =
        Device::with(&world, impostor, 1, &victim.to_string(), &Papers::of(&world, impostor)).await;
    // It speaks as itself, and not as the device whose name it gave.
    let own = Uplink::Telemetry.topic(impostor);
    let reading = as_victim.reading(1, 2.5).to_string();
    assert_eq!(as_victim.publish_on(&own, &reading).await, PubAckReason::Success);
    let foreign = Uplink::Telemetry.topic(victim);
    assert_eq!(as_victim.publish_on(&foreign, &reading).await, PubAckReason::NotAuthorized);
    // The victim has the connection of before, and what is for it arrives there.
    let receipt = StoredReceipt { device_id: victim.to_string(), epoch: 4, sequences: vec![1] };
    let nats = world.nats.client().await;
    let subject = subjects::receipt(world.tenant, victim);
    nats.publish(subject, receipt.encode_to_vec().into()).await.unwrap();
    let told = device.next(Downlink::Receipt).await;
    assert_eq!(told, json!({"epoch": 4, "sequences": [1]}));
    assert_eq!(device.connects(), 1, "never disconnected");
    stream_holds(&world, "TELEMETRY", 1).await;
    assert!(service.stop().await);
}

async fn cut(world: &World, device: DeviceId, list_number: i64) -> CutDeviceReply {
    let nats = world.nats.client().await;
    let request = CutDeviceRequest { device_id: device.to_string(), list_number };
    let answer = nats.request(subjects::BROKER_CUT, request.encode_to_vec().into()).await.unwrap();
    CutDeviceReply::decode(answer.payload).unwrap()
}

#[tokio::test]
async fn cut_waits_for_the_list_and_then_ends_that_devices_connection_only() {
    let (world, service) = world().await;
    let contract = world.contract(&service).await;
    let made = world.device_of(&service, &contract, "stolen").await;
    let stolen: DeviceId = made.device_id.parse().unwrap();
    let made = world.device_of(&service, &contract, "honest").await;
    let honest: DeviceId = made.device_id.parse().unwrap();
    let papers = Papers::numbered(&world, stolen, 99);
    let thief = Device::with(&world, stolen, 1, "x", &papers).await;
    let bystander = Device::connect(&world, honest, 1).await;

    let (reply, ()) = tokio::join!(cut(&world, stolen, 5), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        // Nothing has happened: the broker would let it in again at once.
        let alive = Uplink::Error.topic(stolen);
        assert_eq!(thief.publish_on(&alive, "{}").await, PubAckReason::Success);
        papers::put_in_force(&world, 5, &[99], SystemClock.now() + DAY);
    });
    assert_eq!(reply.outcome(), CutOutcome::Cut);
    assert_eq!(reply.connections, 1);
    assert!(!papers.open_the_door(&world, "x").await, "it cannot come back");
    assert_eq!(thief.connects(), 1);
    bystander.measure(1).await;
    assert_eq!(bystander.connects(), 1);
    // Asked again, there is nothing left to end.
    let again = cut(&world, stolen, 5).await;
    assert_eq!((again.outcome(), again.connections), (CutOutcome::Cut, 0));
    assert!(service.stop().await);
}

#[tokio::test]
async fn cut_without_the_list_is_answered_as_pending_and_ends_nothing() {
    let (world, service) = world().await;
    let id = world.device(&service).await;
    let device = Device::connect(&world, id, 1).await;
    papers::put_in_force(&world, 1, &[], SystemClock.now() + DAY);
    let reply = cut(&world, id, 2).await;
    assert_eq!((reply.outcome(), reply.connections), (CutOutcome::ListPending, 0));
    device.measure(1).await;
    assert_eq!(device.connects(), 1);
    assert!(service.stop().await);
}

#[tokio::test]
async fn expired_list_keeps_everybody_out_but_ends_no_connection() {
    let (world, service) = world().await;
    let id = world.device(&service).await;
    let device = Device::connect(&world, id, 1).await;
    let code = "device.certificate_refused";
    let before = refusals(code, "unverified");
    // Another's: who connects a second time ends the first connection.
    let papers = Papers::of(&world, DeviceId::from_uuid(RandomIds.uuid7()));
    papers::put_in_force(&world, 2, &[], SystemClock.now() - Duration::from_secs(60));
    eventually(SOON, || async { !papers.open_the_door(&world, "x").await }).await;
    counted(code, "unverified", before, 1.0).await;
    // Who is connected stays, and is heard.
    device.measure(1).await;
    stream_holds(&world, "TELEMETRY", 1).await;
    assert_eq!(device.connects(), 1);
    // A fresh list is all that is needed.
    papers::put_in_force(&world, 3, &[], SystemClock.now() + DAY);
    eventually(SOON, || async { papers.open_the_door(&world, "x").await }).await;
    assert!(service.stop().await);
}

#[tokio::test]
async fn list_that_the_broker_cannot_read_is_told_and_loses_no_message() {
    let (world, service) = world().await;
    let id = world.device(&service).await;
    let device = Device::connect(&world, id, 1).await;
    world.log.expect("the broker cannot read its revocation list");
    let unreadable = || metric("yard_broker_list_unreadable") > 0.0;
    let attempts = std::cell::Cell::new(0);
    eventually(SOON, || async {
        // Again and again: tests of one process share the gauge, and another's broker is well.
        attempts.set(attempts.get() + 1);
        papers::replace(&world, &format!("no list {}", attempts.get()));
        tokio::time::sleep(Duration::from_millis(200)).await;
        unreadable()
    })
    .await;
    // The broker has forgotten the rules of single users; the plugin has not.
    device.measure(1).await;
    stream_holds(&world, "TELEMETRY", 1).await;
    papers::put_in_force(&world, 2, &[], SystemClock.now() + DAY);
    eventually(SOON, || async { !unreadable() }).await;
    assert!(service.stop().await);
}

#[tokio::test]
async fn broker_without_the_plugin_is_served_and_nobody_promises_to_cut() {
    let world = World::start().await;
    let mut config = world.config();
    config.mqtt.broker_plugin = false;
    let service = world.service_with(config).await;
    let id = world.device(&service).await;
    let device = Device::connect(&world, id, 1).await;
    device.measure(1).await;
    stream_holds(&world, "TELEMETRY", 1).await;
    let nats = world.nats.client().await;
    let request = CutDeviceRequest { device_id: id.to_string(), list_number: 1 };
    let answer = nats.request(subjects::BROKER_CUT, request.encode_to_vec().into()).await;
    let kind = answer.unwrap_err().kind();
    assert_eq!(kind, async_nats::RequestErrorKind::NoResponders, "auth hears it at once");
    assert!(service.stop().await);
}
