use serde_json::json;
use tonic::{Code, Request, Status};
use yard_contracts::command::v1::{
    CancelCommandRequest, GetCommandRequest, ListCommandsRequest, SendCommandRequest,
};
use yard_contracts::device::v1::{
    CreateDeviceRequest, Device, GetContractRequest, GetDeviceRequest, ListContractsRequest,
    ListDevicesRequest, ListQuarantineRequest, UpdateDeviceRequest,
};

use crate::support::{Service, World, contract, object};

/// What the attacked tenant owns.
struct Prey {
    device: String,
    contract: String,
    command: String,
}

fn send(device: &str) -> SendCommandRequest {
    SendCommandRequest {
        device_id: device.to_owned(),
        name: "set_valve".to_owned(),
        arguments: Some(object(json!({"open": true}))),
        deadline_seconds: 60,
    }
}

fn update(device: &str) -> UpdateDeviceRequest {
    UpdateDeviceRequest {
        device: Some(Device {
            device_id: device.to_owned(),
            name: "mine now".to_owned(),
            ..Device::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["name".to_owned()] }),
    }
}

/// Every RPC that names something, asked for the prey, with what it answered.
async fn attack(
    service: &Service,
    prey: &Prey,
    sign: &dyn Fn(&mut tonic::metadata::MetadataMap),
) -> Vec<(&'static str, Status)> {
    fn signed<T>(message: T, sign: &dyn Fn(&mut tonic::metadata::MetadataMap)) -> Request<T> {
        let mut request = Request::new(message);
        sign(request.metadata_mut());
        request
    }
    let (device, contract, command) =
        (prey.device.clone(), prey.contract.clone(), prey.command.clone());
    let mut answers = Vec::new();
    macro_rules! ask {
        ($client:ident . $method:ident ( $message:expr )) => {
            let answer = service.$client().$method(signed($message, sign)).await;
            let status = answer.err().unwrap_or_else(|| Status::ok(stringify!($method)));
            answers.push((stringify!($method), status));
        };
    }
    ask!(devices.get_device(GetDeviceRequest { device_id: device.clone() }));
    ask!(devices.update_device(update(&device)));
    ask!(devices.create_device(CreateDeviceRequest {
        name: "on a foreign contract".to_owned(),
        contract_id: contract.clone(),
        ..CreateDeviceRequest::default()
    }));
    ask!(devices.list_quarantine(ListQuarantineRequest {
        device_id: device.clone(),
        ..ListQuarantineRequest::default()
    }));
    ask!(contracts.get_contract(GetContractRequest { contract_id: contract }));
    ask!(commands.send_command(send(&device)));
    ask!(commands.get_command(GetCommandRequest { command_id: command.clone() }));
    ask!(commands.list_commands(ListCommandsRequest {
        device_id: device,
        ..ListCommandsRequest::default()
    }));
    ask!(commands.cancel_command(CancelCommandRequest { command_id: command }));
    answers
}

#[tokio::test]
async fn nothing_of_a_tenant_is_there_for_another_or_for_nobody() {
    let world = World::start().await;
    let service = world.service().await;
    let made = world.contract(&service).await;
    let device = world.device_of(&service, &made, "pump").await;
    let command = service.commands().send_command(world.own(send(&device.device_id))).await;
    let prey = Prey {
        device: device.device_id.clone(),
        contract: made.contract_id,
        command: command.unwrap().into_inner().command_id,
    };
    let bearer = |token: String| {
        move |metadata: &mut tonic::metadata::MetadataMap| {
            metadata.insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
    };

    let other = bearer(world.token(world.other, "owner"));
    for (method, status) in attack(&service, &prey, &other).await {
        let wanted = match method {
            // Its own tenant has no such contract.
            "create_device" => Code::InvalidArgument,
            _ => Code::NotFound,
        };
        assert_eq!(status.code(), wanted, "{method}: {status:?}");
    }
    for (method, status) in attack(&service, &prey, &|_| {}).await {
        assert_eq!(status.code(), Code::Unauthenticated, "{method}: {status:?}");
    }
    let viewer = bearer(world.token(world.tenant, "viewer"));
    let changing = ["update_device", "create_device", "send_command", "cancel_command"];
    for (method, status) in attack(&service, &prey, &viewer).await {
        let wanted = if changing.contains(&method) { Code::PermissionDenied } else { Code::Ok };
        assert_eq!(status.code(), wanted, "{method}: {status:?}");
    }

    let list = world.by(world.other, "owner", ListDevicesRequest::default());
    let listed = service.devices().list_devices(list).await.unwrap().into_inner();
    assert_eq!((listed.devices.len(), listed.total_size), (0, 0));
    let list = world.by(world.other, "owner", ListContractsRequest::default());
    let listed = service.contracts().list_contracts(list).await.unwrap().into_inner();
    assert!(listed.contracts.is_empty());
    // Names are of the tenant alone.
    let own = world.by(world.other, "owner", contract());
    service.contracts().create_contract(own).await.unwrap();
    let own = world.own(GetDeviceRequest { device_id: device.device_id.clone() });
    assert_eq!(service.devices().get_device(own).await.unwrap().into_inner().name, "pump");
    assert!(service.stop().await);
}
