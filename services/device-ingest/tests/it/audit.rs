//! What this service tells of its audited calls, with and without its broker and its database.

use async_nats::Subscriber;
use futures::StreamExt as _;
use prost::Message as _;
use yard_contracts::audit::v1::{AuditKind, AuditPhase, AuditRecord};
use yard_contracts::device::v1::{GetDeviceRequest, ListDevicesRequest};
use yard_ids::{IdSource as _, RandomIds};
use yard_testkit::eventually;

use crate::support::{SOON, Service, World, contract, device_request};

/// Hears what is published for the stream AUDIT.
async fn listen(world: &World) -> Subscriber {
    let client = world.nats.client().await;
    let heard = client.subscribe("audit.v1.>").await.unwrap();
    client.flush().await.unwrap();
    heard
}

async fn next(heard: &mut Subscriber) -> AuditRecord {
    let message = tokio::time::timeout(SOON, heard.next()).await.unwrap().unwrap();
    AuditRecord::decode(message.payload).unwrap()
}

async fn devices(world: &World, service: &Service) -> usize {
    let list = world.own(ListDevicesRequest::default());
    service.devices().list_devices(list).await.unwrap().into_inner().devices.len()
}

#[tokio::test]
async fn audited_call_is_announced_before_and_its_end_told_after() {
    let world = World::start().await;
    let service = world.service().await;
    let mut heard = listen(&world).await;
    let made = service.contracts().create_contract(world.own(contract())).await.unwrap();
    let (begun, ended) = (next(&mut heard).await, next(&mut heard).await);
    assert_eq!((begun.phase(), ended.phase()), (AuditPhase::Begun, AuditPhase::Ended));
    assert_eq!(begun.event_id, ended.event_id);
    assert_eq!((begun.outcome.as_str(), ended.outcome.as_str()), ("", "ok"));
    assert_eq!(ended.action, "yard.device.v1.ContractService/CreateContract");
    assert_eq!(ended.tenant_id, world.tenant.to_string());
    let named = (ended.object_type.as_str(), ended.object_id.as_str());
    assert_eq!(named, ("contract", made.into_inner().contract_id.as_str()));
    let again = service.contracts().create_contract(world.own(contract())).await.unwrap_err();
    let (_, refused) = (next(&mut heard).await, next(&mut heard).await);
    assert_eq!(refused.outcome, "resource.exists");
    let incident = again.metadata().get("yard-incident").unwrap().to_str().unwrap();
    assert_eq!(refused.incident, incident);
    assert!(service.stop().await);
}

#[tokio::test]
async fn audited_call_without_the_broker_is_done_and_told_of_once_it_is_back() {
    let world = World::start().await;
    world.log.expect("broker connection lost").expect("outbox");
    let service = world.service().await;
    let made = world.contract(&service).await;
    let mut heard = listen(&world).await;
    world.nats_line.cut();
    let request = || world.own(device_request(&made, "pump 1"));
    service.devices().create_device(request()).await.unwrap();
    assert_eq!(devices(&world, &service).await, 1);
    world.nats_line.restore();
    let mut told = Vec::new();
    while told.len() < 2 {
        let record = next(&mut heard).await;
        if record.action.ends_with("/CreateDevice") {
            told.push((record.phase(), record.event_id, record.outcome));
        }
    }
    told.sort_by_key(|(phase, ..)| *phase as i32);
    let [(AuditPhase::Begun, begun, _), (AuditPhase::Ended, ended, outcome)] = told.as_slice()
    else {
        panic!("{told:?}")
    };
    assert_eq!((begun, outcome.as_str()), (ended, "ok"));
    assert!(service.stop().await);
}

#[tokio::test]
async fn call_that_cannot_be_announced_anywhere_is_refused_and_nothing_is_done() {
    let world = World::start().await;
    for expected in ["broker connection lost", "outbox", "no connection", "database", "presence"] {
        world.log.expect(expected);
    }
    world.log.expect("could not").expect("sweep");
    let service = world.service().await;
    let made = world.contract(&service).await;
    world.nats_line.cut();
    world.db_line.cut();
    let request = || world.own(device_request(&made, "pump 1"));
    let refused = service.devices().create_device(request()).await.unwrap_err();
    assert_eq!(refused.metadata().get("yard-code").unwrap(), "audit.unavailable");
    world.db_line.restore();
    world.nats_line.restore();
    eventually(SOON, || async { service.runtime.health().is_ready().await }).await;
    assert_eq!(devices(&world, &service).await, 0);
    service.devices().create_device(request()).await.unwrap();
    assert!(service.stop().await);
}

#[tokio::test]
async fn refusals_are_told_once_and_counted_and_reading_is_not_told_of() {
    let world = World::start().await;
    let service = world.service().await;
    let mut heard = listen(&world).await;
    let device_id = RandomIds.uuid7().to_string();
    for _ in 0..40 {
        let request = world.by(world.tenant, "viewer", contract());
        service.contracts().create_contract(request).await.unwrap_err();
        let request = world.own(GetDeviceRequest { device_id: device_id.clone() });
        service.devices().get_device(request).await.unwrap_err();
    }
    let refused = next(&mut heard).await;
    assert_eq!((refused.kind(), refused.phase()), (AuditKind::Denial, AuditPhase::Ended));
    assert_eq!((refused.outcome.as_str(), refused.repeats), ("auth.forbidden", 1));
    assert_eq!((refused.acting_as.as_str(), refused.object_id.as_str()), ("viewer", ""));
    // The rest comes as one, with its number, when the service stops or ten seconds have passed.
    assert!(service.stop().await);
    let counted = next(&mut heard).await;
    assert_eq!((counted.outcome.as_str(), counted.repeats), ("auth.forbidden", 39));
}
