use async_nats::jetstream;
use futures::StreamExt as _;
use prost::Message as _;
use serde_json::{Value, json};
use yard_contracts::device::v1::{GetDeviceRequest, Presence};
use yard_contracts::job::v1::JobRequest;
use yard_contracts::subjects::{self, live};
use yard_contracts::topics::Uplink;
use yard_ids::DeviceId;
use yard_testkit::eventually;

use crate::device::Device;
use crate::support::{SOON, Service, World};

async fn presence(world: &World, service: &Service, device: DeviceId) -> Presence {
    let request = world.own(GetDeviceRequest { device_id: device.to_string() });
    service.devices().get_device(request).await.unwrap().into_inner().presence()
}

async fn becomes(world: &World, service: &Service, device: DeviceId, wanted: Presence) {
    eventually(SOON, || async {
        let found = presence(world, service, device).await;
        if found == wanted { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test]
async fn device_comes_and_its_last_will_takes_it_away() {
    let world = World::start().await;
    let service = world.service().await;
    let id = world.device(&service).await;
    assert_eq!(presence(&world, &service, id).await, Presence::Never);
    let device = Device::connect(&world, id, 5).await;
    becomes(&world, &service, id, Presence::Online).await;
    device.vanish();
    becomes(&world, &service, id, Presence::Offline).await;
    assert!(service.stop().await);
}

#[tokio::test]
async fn will_of_an_older_run_does_not_take_the_newer_away() {
    let world = World::start().await;
    let service = world.service().await;
    let id = world.device(&service).await;
    let nats = world.nats.client().await;
    let subject = subjects::live_device(world.tenant, id, live::PRESENCE_CHANGED);
    let mut changes = nats.subscribe(subject).await.unwrap();
    nats.flush().await.unwrap();
    let device = Device::connect(&world, id, 6).await;
    becomes(&world, &service, id, Presence::Online).await;
    device.say(Uplink::Status, &json!({"state": "offline", "epoch": 5})).await;
    device.say(Uplink::Status, &json!({"state": "online", "epoch": 6})).await;
    device.say(Uplink::Status, &json!({"state": "offline", "epoch": 7})).await;
    let mut said = Vec::new();
    loop {
        let message = tokio::time::timeout(SOON, changes.next()).await.unwrap().unwrap();
        let change: Value = serde_json::from_slice(&message.payload).unwrap();
        said.push(change["presence"].clone());
        if change["presence"] == "PRESENCE_OFFLINE" {
            break;
        }
    }
    let sql = "select epoch || state from platform.device_presence";
    assert_eq!(world.db.sql(sql).await.trim(), "7offline", "{said:?}");
    // Each time it says that it is online is told; the old will is not.
    assert_eq!(said, ["PRESENCE_ONLINE", "PRESENCE_ONLINE", "PRESENCE_OFFLINE"]);
    assert!(service.stop().await);
}

#[tokio::test]
async fn silent_device_is_stale_after_a_sweep_and_back_by_its_next_reading() {
    let world = World::start().await;
    let service = world.service().await;
    let id = world.device(&service).await;
    let device = Device::connect(&world, id, 1).await;
    becomes(&world, &service, id, Presence::Online).await;
    let long_ago = "update platform.device_presence set last_seen_at = now() - interval '1 hour'";
    eventually(SOON, || async {
        // What was heard just now may still be written down.
        world.db.sql(long_ago).await;
        let job = JobRequest { kind: "presence-sweep".to_owned(), ..JobRequest::default() };
        let jetstream = jetstream::new(world.nats.client().await);
        let subject = subjects::job("ingest", "presence-sweep");
        jetstream.publish(subject, job.encode_to_vec().into()).await.unwrap().await.unwrap();
        presence(&world, &service, id).await == Presence::Stale
    })
    .await;
    device.measure(1).await;
    becomes(&world, &service, id, Presence::Online).await;
    assert!(service.stop().await);
}
