use std::collections::HashMap;

use serde_json::json;
use yard_contracts::device::v1::{
    Contract, CreateContractRequest, CreateDeviceRequest, Device, GetContractRequest,
    ListContractsRequest, ListDevicesRequest, ListDevicesResponse, Presence, UpdateDeviceRequest,
};
use yard_ids::{IdSource as _, RandomIds};

use crate::support::{Service, World, contract, keyed, object};

type Answer<T> = Result<T, tonic::Status>;

fn code<T: std::fmt::Debug>(answer: Answer<T>) -> String {
    let status = answer.unwrap_err();
    let code = status.metadata().get("yard-code").unwrap();
    code.to_str().unwrap().to_owned()
}

fn pump(contract: &Contract, name: &str, external_id: &str) -> CreateDeviceRequest {
    CreateDeviceRequest {
        name: name.to_owned(),
        external_id: external_id.to_owned(),
        contract_id: contract.contract_id.clone(),
        labels: HashMap::from([("site".to_owned(), "north".to_owned())]),
    }
}

async fn create(
    world: &World,
    service: &Service,
    request: CreateDeviceRequest,
    key: &str,
) -> Answer<Device> {
    let request = keyed(world.own(request), key);
    let answer = service.devices().create_device(request).await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn device_is_made_once_and_known_to_auth() {
    let world = World::start().await;
    let service = world.service().await;
    let made = world.contract(&service).await;
    let create = |request, key| create(&world, &service, request, key);
    let first = create(pump(&made, "pump 1", "A-1"), "k1").await.unwrap();
    assert_eq!(create(pump(&made, "pump 1", "A-1"), "k1").await.unwrap(), first);
    let reused = create(pump(&made, "pump 2", ""), "k1").await;
    assert_eq!(code(reused), "idempotency.key_reused");
    let same_name = create(pump(&made, "pump 1", ""), "k2").await;
    assert_eq!(code(same_name), "resource.exists");
    let same_number = create(pump(&made, "pump 9", "A-1"), "k3").await;
    assert_eq!(code(same_number), "resource.exists");
    let mut foreign = pump(&made, "pump 9", "");
    foreign.contract_id = RandomIds.uuid7().to_string();
    assert_eq!(code(create(foreign, "k4").await), "device.contract_unknown");
    assert_eq!(code(create(pump(&made, " ", ""), "k5").await), "request.invalid");
    let known = world.auth.registered.lock().unwrap().clone();
    assert_eq!(known.len(), 1, "refused devices are not made known");
    assert_eq!(known[0].device_id, first.device_id);
    assert_eq!(known[0].tenant_id, world.tenant.to_string());
    assert!(service.stop().await);
}

async fn list(
    world: &World,
    service: &Service,
    page_token: &str,
    presence: Presence,
) -> Answer<ListDevicesResponse> {
    let request = ListDevicesRequest {
        page_size: 2,
        page_token: page_token.to_owned(),
        name_prefix: "pump".to_owned(),
        presence: presence.into(),
    };
    let answer = service.devices().list_devices(world.own(request)).await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn devices_are_listed_by_name_in_pages() {
    let world = World::start().await;
    let service = world.service().await;
    let made = world.contract(&service).await;
    for name in ["pump 3", "pump 1", "pump 2", "valve 1"] {
        world.device_of(&service, &made, name).await;
    }
    let list = |token: String, presence| {
        let (world, service) = (&world, &service);
        async move { list(world, service, &token, presence).await }
    };
    let names = |page: &ListDevicesResponse| {
        page.devices.iter().map(|device| device.name.clone()).collect::<Vec<_>>()
    };
    let page = list(String::new(), Presence::Unspecified).await.unwrap();
    assert_eq!(names(&page), ["pump 1", "pump 2"]);
    assert_eq!(page.total_size, 3);
    assert_eq!(page.presence_counts.unwrap().never, 4);
    let rest = list(page.next_page_token, Presence::Never).await.unwrap();
    assert_eq!(names(&rest), ["pump 3"]);
    assert_eq!(rest.next_page_token, "");
    let online = list(String::new(), Presence::Online).await.unwrap();
    assert!(online.devices.is_empty());
    let foreign = list("00".to_owned(), Presence::Never).await;
    assert_eq!(code(foreign), "page.token_invalid");
    assert!(service.stop().await);
}

#[tokio::test]
async fn device_is_changed_by_mask_and_in_nothing_else() {
    let world = World::start().await;
    let service = world.service().await;
    let made = world.contract(&service).await;
    world.device_of(&service, &made, "pump 2").await;
    let first = create(&world, &service, pump(&made, "pump 1", "A-1"), "k").await.unwrap();
    let update = |device: Device, paths: &[&str]| {
        let paths = paths.iter().map(|&path| path.to_owned()).collect();
        let update_mask = Some(prost_types::FieldMask { paths });
        let request = UpdateDeviceRequest { device: Some(device), update_mask };
        let (mut devices, request) = (service.devices(), world.own(request));
        async move { devices.update_device(request).await.map(tonic::Response::into_inner) }
    };
    let wanted = Device {
        device_id: first.device_id.clone(),
        name: "pump 7".to_owned(),
        ..Device::default()
    };
    let changed = update(wanted.clone(), &["name"]).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.external_id.as_str()), ("pump 7", "A-1"));
    let bare = update(wanted.clone(), &["external_id", "labels"]).await.unwrap();
    assert_eq!((bare.external_id.as_str(), bare.labels.len()), ("", 0));
    let taken = Device { name: "pump 2".to_owned(), ..wanted.clone() };
    assert_eq!(code(update(taken, &["name"]).await), "resource.exists");
    assert_eq!(code(update(wanted.clone(), &["contract_id"]).await), "request.invalid");
    assert_eq!(code(update(wanted, &[]).await), "request.invalid");
    assert!(service.stop().await);
}

#[tokio::test]
async fn contracts_never_change_and_say_what_is_wrong_with_them() {
    let world = World::start().await;
    let service = world.service().await;
    let made = world.contract(&service).await;
    let create = |request: tonic::Request<CreateContractRequest>| {
        let mut contracts = service.contracts();
        async move { contracts.create_contract(request).await.map(tonic::Response::into_inner) }
    };
    assert_eq!(code(create(world.own(contract())).await), "resource.exists");
    assert_eq!(create(keyed(world.own(contract()), "k")).await.unwrap(), made);
    let mut other = contract();
    other.telemetry_schema = Some(object(json!({"type": "object", "properties": {"flow": {}}})));
    let changed = create(keyed(world.own(other.clone()), "k")).await;
    assert_eq!(code(changed), "resource.exists");
    other.version = 2;
    create(world.own(other.clone())).await.unwrap();
    other.version = 3;
    other.telemetry_schema = Some(object(json!({"$ref": "https://example.com/schema"})));
    assert_eq!(code(create(world.own(other)).await), "contract.schema_invalid");

    let get = world.own(GetContractRequest { contract_id: made.contract_id.clone() });
    let found = service.contracts().get_contract(get).await.unwrap();
    assert_eq!(found.into_inner(), made);
    let list = |page_token: String| {
        let request = world.own(ListContractsRequest { page_size: 1, page_token });
        let mut contracts = service.contracts();
        async move { contracts.list_contracts(request).await.unwrap().into_inner() }
    };
    let page = list(String::new()).await;
    assert_eq!((page.contracts.len(), page.contracts[0].version), (1, 1));
    let page = list(page.next_page_token).await;
    assert_eq!((page.contracts[0].version, page.next_page_token.as_str()), (2, ""));
    assert!(service.stop().await);
}
