//! Joining, hearing, leaving; tenants apart; the broker's restart; the drain.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;
use yard_contracts::subjects;
use yard_testkit::eventually;

use crate::support::{Client, PATIENCE, Service, device, device_channel, tenant};

#[tokio::test]
async fn joined_device_channel_hears_every_event_of_the_device_until_it_leaves() {
    let service = Service::start().await;
    let (tenant, device) = (tenant(), device());
    let channel = device_channel(tenant, device);
    assert!(!service.is_interested(tenant, device).await);
    let mut client = Client::joined(&service, tenant, &channel).await;

    let reading = json!({"device_id": device.to_string(), "values": {"t": 21.5, "n": "ä\n\""}});
    service.publish(tenant, device, "telemetry.received", &reading).await;
    service.publish(tenant, device, "command.changed", &json!({"n": 2})).await;
    service.publish(tenant, device, "presence.changed", &json!({"n": 3})).await;
    let first = client.expect("telemetry.received").await;
    assert_eq!(first["channel"], channel.as_str());
    let data: Value = serde_json::from_str(first["data"].as_str().unwrap()).unwrap();
    assert_eq!(data, reading);
    assert_eq!(client.data("command.changed").await, json!({"n": 2}));
    assert_eq!(client.data("presence.changed").await, json!({"n": 3}));

    client.send(&json!({"event": "pusher:unsubscribe", "data": {"channel": channel}})).await;
    eventually(PATIENCE, || async { !service.is_interested(tenant, device).await }).await;
    service.publish(tenant, device, "command.changed", &json!({"n": 4})).await;
    client.quiet().await;
}

#[tokio::test]
async fn every_socket_hears_of_maintenance_whatever_it_joined() {
    let service = Service::start().await;
    let mut idle = Client::connect(&service).await;
    let tenant = tenant();
    let mut joined = Client::joined(&service, tenant, &device_channel(tenant, device())).await;
    let notice = json!({"active": true, "reason": "A new disk.", "until": null});
    let client = service.nats.client().await;
    let payload = notice.to_string();
    client.publish(subjects::MAINTENANCE, payload.into()).await.unwrap();
    client.flush().await.unwrap();
    for socket in [&mut idle, &mut joined] {
        let heard = socket.expect("switchyard:maintenance").await;
        assert!(heard.get("channel").is_none());
        let data: Value = serde_json::from_str(heard["data"].as_str().unwrap()).unwrap();
        assert_eq!(data, notice);
    }
}

#[tokio::test]
async fn interest_lasts_until_the_last_of_several_sockets_is_gone() {
    let service = Service::start().await;
    let (tenant, device) = (tenant(), device());
    let channel = device_channel(tenant, device);
    let first = Client::joined(&service, tenant, &channel).await;
    let mut second = Client::joined(&service, tenant, &channel).await;
    drop(first);
    service.publish(tenant, device, "command.changed", &json!({"n": 1})).await;
    assert_eq!(second.data("command.changed").await, json!({"n": 1}));
    assert!(service.is_interested(tenant, device).await);
    // The probe is an event of the device as any other.
    second.expect("probe").await;
    drop(second);
    eventually(PATIENCE, || async { !service.is_interested(tenant, device).await }).await;
}

#[tokio::test]
async fn tenant_channel_hears_presence_and_commands_of_all_devices_and_no_readings() {
    let service = Service::start().await;
    let tenant = tenant();
    let channel = format!("private-organization.{tenant}");
    let mut client = Client::joined(&service, tenant, &channel).await;
    for n in 0..3 {
        let device = device();
        service.publish(tenant, device, "telemetry.received", &json!({"n": n})).await;
        service.publish(tenant, device, "command.changed", &json!({"n": n})).await;
        assert_eq!(client.data("command.changed").await, json!({"n": n}));
        service.publish(tenant, device, "presence.changed", &json!({"n": n})).await;
        assert_eq!(client.data("presence.changed").await, json!({"n": n}));
    }
}

#[tokio::test]
async fn telemetry_channel_hears_the_readings_of_all_devices_of_its_tenant_and_nothing_else() {
    let service = Service::start().await;
    let (own, other) = (tenant(), tenant());
    let channel = format!("private-organization.{own}.telemetry");
    let mut client = Client::joined(&service, own, &channel).await;
    for n in 0..3 {
        service.publish(other, device(), "telemetry.received", &json!({"n": "foreign"})).await;
        service.publish(own, device(), "command.changed", &json!({"n": n})).await;
        service.publish(own, device(), "telemetry.received", &json!({"n": n})).await;
        assert_eq!(client.data("telemetry.received").await, json!({"n": n}));
    }
}

#[tokio::test]
async fn two_tenants_with_the_same_device_id_hear_nothing_of_each_other() {
    let service = Service::start().await;
    let (one, two, device) = (tenant(), tenant(), device());
    let mut clients = Vec::new();
    for owner in [one, two] {
        let own = device_channel(owner, device);
        clients.push((owner, Client::joined(&service, owner, &own).await));
        let all = format!("private-organization.{owner}");
        clients.push((owner, Client::joined(&service, owner, &all).await));
    }
    for n in 0..20 {
        for owner in [one, two] {
            let data = json!({"owner": owner.to_string(), "n": n});
            service.publish(owner, device, "command.changed", &data).await;
        }
    }
    for (owner, client) in &mut clients {
        for n in 0..20 {
            let data = client.data("command.changed").await;
            assert_eq!(data, json!({"owner": owner.to_string(), "n": n}));
        }
        client.quiet().await;
    }
}

#[tokio::test]
async fn signature_is_good_for_its_own_socket_and_channel_only() {
    let service = Service::start().await;
    let (one, two, device) = (tenant(), tenant(), device());
    let channel = device_channel(one, device);
    let refused = service.authorize(two, "1.2", &channel).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    assert_eq!(refused.metadata().get("yard-code").unwrap(), "channel.forbidden");

    let owner = Client::connect(&service).await;
    let auth = service.authorize(one, &owner.socket_id, &channel).await.unwrap();
    let mut thief = Client::connect(&service).await;
    thief.subscribe(&channel, &auth).await;
    let error = thief.expect("pusher:subscription_error").await;
    assert_eq!((&error["channel"], &error["data"]["status"]), (&json!(channel), &json!(401)));
    // A signature for one's own channel opens no other.
    let own = device_channel(two, device);
    let auth = service.authorize(two, &thief.socket_id, &own).await.unwrap();
    thief.subscribe(&channel, &auth).await;
    thief.expect("pusher:subscription_error").await;
    assert!(!service.is_interested(one, device).await);
}

#[tokio::test]
async fn second_subscribe_is_confirmed_and_delivers_one_copy() {
    let service = Service::start().await;
    let (tenant, device) = (tenant(), device());
    let channel = device_channel(tenant, device);
    let mut client = Client::joined(&service, tenant, &channel).await;
    let auth = service.authorize(tenant, &client.socket_id, &channel).await.unwrap();
    client.subscribe(&channel, &auth).await;
    client.expect("pusher_internal:subscription_succeeded").await;
    service.publish(tenant, device, "command.changed", &json!({"n": 1})).await;
    client.expect("command.changed").await;
    client.quiet().await;
}

#[tokio::test]
async fn events_flow_again_after_the_broker_was_killed() {
    let mut service = Service::start().await;
    service.log.expect("broker connection lost");
    let (tenant, device) = (tenant(), device());
    let mut client = Client::joined(&service, tenant, &device_channel(tenant, device)).await;
    service.nats.kill();
    client.quiet().await;
    service.nats.start_again();
    eventually(PATIENCE, || async { service.is_interested(tenant, device).await }).await;
    // Probes of the wait may have come through.
    service.publish(tenant, device, "command.changed", &json!({"n": 1})).await;
    loop {
        let next = client.next().await;
        if next["event"] == "command.changed" {
            break;
        }
        assert_eq!(next["event"], "probe");
    }
}

#[tokio::test]
async fn drain_closes_every_socket_with_4200_and_ends_in_time() {
    let service = Service::start().await;
    let mut clients = Vec::new();
    for _ in 0..30 {
        clients.push(Client::connect(&service).await);
    }
    // Says nothing, which it may for longer than a stop takes.
    let authority = service.url().split('/').nth(2).unwrap().to_owned();
    let _silent = tokio::net::TcpStream::connect(authority).await.unwrap();
    let stopping = timeout(Duration::from_secs(5), service.stop());
    let reading = async {
        for client in &mut clients {
            assert_eq!(client.closed().await, 4200);
        }
    };
    let (clean, ()) = tokio::join!(stopping, reading);
    assert!(clean.expect("within the deadline"));
    assert!(tokio_tungstenite::connect_async(service.url()).await.is_err());
}
