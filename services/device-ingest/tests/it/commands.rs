use serde_json::json;
use tonic::Code as Grpc;
use yard_contracts::command::v1::{
    CancelCommandRequest, Command, CommandState, GetCommandRequest, ListCommandsRequest,
    SendCommandRequest,
};
use yard_contracts::topics::{Downlink, Uplink};
use yard_ids::{DeviceId, IdSource as _, RandomIds};
use yard_testkit::eventually;

use crate::device::Device;
use crate::support::{SOON, Service, World, keyed, object};

fn request(device: DeviceId, open: bool, seconds: i32) -> SendCommandRequest {
    SendCommandRequest {
        device_id: device.to_string(),
        name: "set_valve".to_owned(),
        arguments: Some(object(json!({"open": open}))),
        deadline_seconds: seconds,
    }
}

async fn send(world: &World, service: &Service, device: DeviceId, seconds: i32) -> Command {
    let request = world.own(request(device, true, seconds));
    service.commands().send_command(request).await.unwrap().into_inner()
}

async fn get(world: &World, service: &Service, id: &str) -> Command {
    let request = world.own(GetCommandRequest { command_id: id.to_owned() });
    service.commands().get_command(request).await.unwrap().into_inner()
}

async fn reaches(world: &World, service: &Service, id: &str, state: CommandState) -> Command {
    eventually(SOON, || async {
        let command = get(world, service, id).await;
        if command.state() == state { Ok(command) } else { Err(command.state()) }
    })
    .await
}

#[tokio::test]
async fn req_lmu_30_command_is_followed_from_the_sender_to_the_device_and_back() {
    let world = World::start().await;
    let service = world.service().await;
    let id = world.device(&service).await;
    let mut device = Device::connect(&world, id, 1).await;
    let sent = send(&world, &service, id, 30).await;
    assert_eq!(sent.state(), CommandState::Queued);
    let received = device.next(Downlink::Command).await;
    assert_eq!(received["command_id"], sent.command_id);
    assert_eq!(received["arguments"], json!({"open": true}));
    reaches(&world, &service, &sent.command_id, CommandState::Dispatched).await;
    // Repeated, out of order: harmless.
    for state in ["delivered", "running", "acked", "running"] {
        device.report(&sent.command_id, state).await;
    }
    let result = json!({
        "command_id": sent.command_id, "state": "succeeded",
        "result": {"position": 90}, "reason": "valve open",
    });
    device.say(Uplink::CommandAck, &result).await;
    device.report(&sent.command_id, "failed").await;
    let done = reaches(&world, &service, &sent.command_id, CommandState::Succeeded).await;
    assert_eq!(done.result, Some(object(json!({"position": 90}))));
    let states: Vec<_> = done.events.iter().map(|event| event.state()).collect();
    assert_eq!(
        states,
        [
            CommandState::Queued,
            CommandState::Dispatched,
            CommandState::Delivered,
            CommandState::Running,
            CommandState::Succeeded,
        ]
    );
    assert_eq!(done.events[4].evidence, "device reported: valve open");
    assert_eq!(done.events[4].actor, format!("device:{id}"));
    assert!(service.stop().await);
}

#[tokio::test]
async fn command_to_an_absent_device_waits_for_it() {
    let world = World::start().await;
    let service = world.service().await;
    let id = world.device(&service).await;
    let sent = send(&world, &service, id, 60).await;
    // Gone through the stream and found nobody.
    crate::device::stream_holds(&world, "COMMANDS", 0).await;
    assert_eq!(get(&world, &service, &sent.command_id).await.state(), CommandState::Queued);
    let mut device = Device::connect(&world, id, 1).await;
    assert_eq!(device.next(Downlink::Command).await["command_id"], sent.command_id);
    device.report(&sent.command_id, "succeeded").await;
    reaches(&world, &service, &sent.command_id, CommandState::Succeeded).await;
    assert!(service.stop().await);
}

#[tokio::test]
async fn overdue_command_expires_or_is_unknown_until_its_late_result() {
    let world = World::start().await;
    let service = world.service().await;
    let contract = world.contract(&service).await;
    let absent = world.device_of(&service, &contract, "absent").await.device_id.parse().unwrap();
    let present = world.device_of(&service, &contract, "present").await.device_id.parse().unwrap();
    let lost = send(&world, &service, absent, 1).await;
    let mut device = Device::connect(&world, present, 1).await;
    let slow = send(&world, &service, present, 2).await;
    device.next(Downlink::Command).await;
    device.report(&slow.command_id, "running").await;
    reaches(&world, &service, &lost.command_id, CommandState::Expired).await;
    reaches(&world, &service, &slow.command_id, CommandState::Unknown).await;
    device.report(&slow.command_id, "succeeded").await;
    let resolved = reaches(&world, &service, &slow.command_id, CommandState::Succeeded).await;
    assert!(resolved.events.iter().any(|event| event.state() == CommandState::Unknown));
    let left = world.db.sql("select count(*) from platform.command_deadlines").await;
    assert_eq!(left.trim(), "0");
    assert!(service.stop().await);
}

#[tokio::test]
async fn cancelled_command_is_never_sent_and_a_sent_one_not_cancelled() {
    let world = World::start().await;
    let service = world.service().await;
    let id = world.device(&service).await;
    let cancel = |id: &str| world.own(CancelCommandRequest { command_id: id.to_owned() });
    let first = send(&world, &service, id, 60).await;
    let cancelled = service.commands().cancel_command(cancel(&first.command_id)).await.unwrap();
    assert_eq!(cancelled.into_inner().state(), CommandState::Cancelled);
    service.commands().cancel_command(cancel(&first.command_id)).await.unwrap();

    let mut device = Device::connect(&world, id, 1).await;
    let second = send(&world, &service, id, 60).await;
    assert_eq!(device.next(Downlink::Command).await["command_id"], second.command_id);
    reaches(&world, &service, &second.command_id, CommandState::Dispatched).await;
    let refused = service.commands().cancel_command(cancel(&second.command_id)).await.unwrap_err();
    assert_eq!(refused.code(), Grpc::FailedPrecondition);
    assert!(service.stop().await);
}

#[tokio::test]
async fn repeated_request_gives_the_first_command_and_another_one_is_refused() {
    let world = World::start().await;
    let service = world.service().await;
    let id = world.device(&service).await;
    let ask = |open: bool| {
        let mut commands = service.commands();
        let request = keyed(world.own(request(id, open, 60)), "key-1");
        async move { commands.send_command(request).await }
    };
    let first = ask(true).await.unwrap().into_inner();
    let again = ask(true).await.unwrap().into_inner();
    assert_eq!(first.command_id, again.command_id);
    let refused = ask(false).await.unwrap_err();
    assert_eq!(refused.metadata().get("yard-code").unwrap(), "idempotency.key_reused");
    let list = ListCommandsRequest { device_id: id.to_string(), ..ListCommandsRequest::default() };
    let listed = service.commands().list_commands(world.own(list)).await.unwrap().into_inner();
    assert_eq!(listed.commands.len(), 1);
    assert!(service.stop().await);
}

#[tokio::test]
async fn commands_that_the_contract_does_not_know_are_refused() {
    let world = World::start().await;
    let service = world.service().await;
    let id = world.device(&service).await;
    let mut kind = request(id, true, 60);
    kind.name = "explode".to_owned();
    let mut arguments = request(id, true, 60);
    arguments.arguments = Some(object(json!({"open": "wide"})));
    let mut stranger = request(id, true, 60);
    stranger.device_id = RandomIds.uuid7().to_string();
    for (request, code) in [
        (kind, "command.unknown_kind"),
        (arguments, "command.arguments_invalid"),
        (request(id, true, 604_801), "request.invalid"),
        (request(id, true, -1), "request.invalid"),
        (stranger, "device.unknown"),
    ] {
        let refused = service.commands().send_command(world.own(request)).await.unwrap_err();
        assert_eq!(refused.metadata().get("yard-code").unwrap(), code);
    }
    assert!(service.stop().await);
}

#[tokio::test]
async fn reports_on_foreign_and_unknown_commands_change_nothing() {
    let world = World::start().await;
    let service = world.service().await;
    let contract = world.contract(&service).await;
    let owner: DeviceId =
        world.device_of(&service, &contract, "owner").await.device_id.parse().unwrap();
    let thief = world.device_of(&service, &contract, "thief").await.device_id.parse().unwrap();
    let thief = Device::connect(&world, thief, 1).await;
    let sent = send(&world, &service, owner, 60).await;
    thief.report(&sent.command_id, "succeeded").await;
    thief.report(&RandomIds.uuid7().to_string(), "succeeded").await;
    // Both are through once a report behind them is.
    let own = send(&world, &service, thief.id, 60).await;
    thief.report(&own.command_id, "succeeded").await;
    reaches(&world, &service, &own.command_id, CommandState::Succeeded).await;
    assert_eq!(get(&world, &service, &sent.command_id).await.state(), CommandState::Queued);
    assert!(service.stop().await);
}
