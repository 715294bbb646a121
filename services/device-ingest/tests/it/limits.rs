//! A tenant's limits, held at their edge.

use serde_json::json;
use yard_contracts::command::v1::{Command, SendCommandRequest};
use yard_contracts::device::v1::{CreateContractRequest, Device};

use crate::support::{Service, World, contract, device_request, keyed, object};

/// A plan for both tenants, and what the first has for itself.
async fn limited(world: &World, plan: &str, own: &str) {
    let sql = format!(
        "update platform.plans set limits = '{plan}' where name = 'trial'; \
         update platform.tenants set plan = 'trial'; \
         update platform.tenants set limits = '{own}' where id = '{}'",
        world.tenant
    );
    world.db.sql(&sql).await;
}

/// The error's code and its text.
fn refused<T: std::fmt::Debug>(
    answer: Result<tonic::Response<T>, tonic::Status>,
) -> (String, String) {
    let status = answer.unwrap_err();
    let code = status.metadata().get("yard-code").unwrap().to_str().unwrap().to_owned();
    (code, status.message().to_owned())
}

fn reached(text: &str) -> (String, String) {
    ("limit.reached".to_owned(), text.to_owned())
}

#[tokio::test]
async fn req_lmu_56_nth_device_is_made_and_the_next_refused() {
    let world = World::start().await;
    let service = world.service().await;
    limited(&world, r#"{"devices": 1}"#, r#"{"devices": 2}"#).await;
    let made = world.contract(&service).await;
    world.device_of(&service, &made, "one").await;
    let again = || keyed(world.own(device_request(&made, "two")), "k");
    let second = service.devices().create_device(again()).await.unwrap().into_inner();
    let third = service.devices().create_device(world.own(device_request(&made, "three"))).await;
    assert_eq!(refused(third), reached("The limit devices is reached: 2 of 2 are in use."));
    let retried = service.devices().create_device(again()).await.unwrap().into_inner();
    assert_eq!(retried, second, "a retry makes nothing");
    assert_eq!(world.auth.registered.lock().unwrap().len(), 2);

    limited(&world, "{}", r#"{"devices": 1}"#).await;
    let fourth = service.devices().create_device(world.own(device_request(&made, "four"))).await;
    assert_eq!(refused(fourth), reached("The limit devices is reached: 2 of 1 are in use."));
    limited(&world, "{}", "{}").await;
    world.device_of(&service, &made, "four").await;
    assert!(service.stop().await);
}

#[tokio::test]
async fn req_lmu_56_devices_made_at_once_are_not_more_than_the_limit() {
    let world = World::start().await;
    let service = world.service().await;
    limited(&world, r#"{"devices": 2}"#, "{}").await;
    let made = world.contract(&service).await;
    // Not more than there are connections: who waits too long for one is told something else.
    let tries = (0..4).map(|n| {
        let request = world.own(device_request(&made, &format!("racer {n}")));
        let mut devices = service.devices();
        async move { devices.create_device(request).await }
    });
    let answers = futures::future::join_all(tries).await;
    let made: Vec<Device> =
        answers.iter().flatten().map(|answer| answer.get_ref().clone()).collect();
    assert_eq!(made.len(), 2, "{answers:?}");
    for answer in answers.into_iter().filter(Result::is_err) {
        assert_eq!(refused(answer), reached("The limit devices is reached: 2 of 2 are in use."));
    }
    let stored = world.db.sql("select count(*) from platform.device_directory").await;
    assert_eq!(stored.trim(), "2");
    assert!(service.stop().await);
}

#[tokio::test]
async fn contract_at_its_limit_is_given_again_but_no_other_made() {
    let world = World::start().await;
    let service = world.service().await;
    limited(&world, r#"{"contracts": 1}"#, "{}").await;
    let make = |request: CreateContractRequest, key: &str| {
        let (mut contracts, request) = (service.contracts(), keyed(world.own(request), key));
        async move { contracts.create_contract(request).await }
    };
    let first = make(contract(), "a").await.unwrap().into_inner();
    assert_eq!(make(contract(), "b").await.unwrap().into_inner(), first);
    let newer = CreateContractRequest { version: 2, ..contract() };
    let answer = refused(make(newer.clone(), "c").await);
    assert_eq!(answer, reached("The limit contracts is reached: 1 of 1 are in use."));
    // Another tenant of the plan has its own count.
    let other = world.by(world.other, "owner", newer);
    service.contracts().create_contract(other).await.unwrap();
    assert!(service.stop().await);
}

async fn send(
    world: &World,
    service: &Service,
    device: &str,
) -> Result<tonic::Response<Command>, tonic::Status> {
    let request = SendCommandRequest {
        device_id: device.to_owned(),
        name: "set_valve".to_owned(),
        arguments: Some(object(json!({"open": true}))),
        deadline_seconds: 60,
    };
    service.commands().send_command(world.own(request)).await
}

#[tokio::test]
async fn commands_of_today_are_counted_and_those_of_yesterday_not() {
    let world = World::start().await;
    let service = world.service().await;
    limited(&world, r#"{"commands_per_day": 2}"#, "{}").await;
    let device = world.device(&service).await.to_string();
    send(&world, &service, &device).await.unwrap();
    send(&world, &service, &device).await.unwrap();
    let third = send(&world, &service, &device).await;
    assert_eq!(
        refused(third),
        reached("The limit commands_per_day is reached: 2 of 2 are in use.")
    );
    let own = format!("ts_{}", world.tenant.uuid().as_simple());
    let yesterday = "created_at = date_trunc('day', now(), 'UTC') - interval '1 microsecond'";
    world.db.sql(&format!("update {own}.commands set {yesterday}")).await;
    send(&world, &service, &device).await.unwrap();
    assert!(service.stop().await);
}

#[tokio::test]
async fn service_counts_for_no_tenant_but_its_own() {
    let world = World::start().await;
    let pg = world.db.pg("yard_ingest");
    let actor = yard_pg::Actor::service("test");
    let mut tx = yard_pg::TenantTx::begin(&pg, world.tenant, &actor).await.unwrap();
    let foreign = sqlx::query("select most, used from platform.hold_limit($1, 'devices', now())")
        .bind(world.other.uuid())
        .execute(&mut *tx)
        .await;
    assert!(foreign.unwrap_err().to_string().contains("not for this tenant"));
}
