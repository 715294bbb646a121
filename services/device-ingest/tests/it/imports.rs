use std::collections::HashMap;

use yard_contracts::device::v1::{
    Contract, ImportDevicesRequest, ImportDevicesResponse, ImportOutcome, ImportedDevice,
    ListDevicesRequest,
};
use yard_fault::{Code, Fault};

use crate::support::{Service, World};

fn row(name: &str, external_id: &str) -> ImportedDevice {
    ImportedDevice {
        name: name.to_owned(),
        external_id: external_id.to_owned(),
        labels: HashMap::from([("site".to_owned(), "north".to_owned())]),
    }
}

fn request(contract: &Contract, devices: Vec<ImportedDevice>) -> ImportDevicesRequest {
    let contract_id = contract.contract_id.clone();
    ImportDevicesRequest { contract_id, devices, dry_run: false, expect: true }
}

async fn import(
    world: &World,
    service: &Service,
    request: ImportDevicesRequest,
) -> Result<ImportDevicesResponse, Code> {
    let done = service.devices().import_devices(world.own(request)).await;
    done.map(tonic::Response::into_inner).map_err(|status| Fault::from_status(&status).code())
}

async fn count(world: &World, service: &Service) -> i32 {
    let request = world.own(ListDevicesRequest::default());
    service.devices().list_devices(request).await.unwrap().into_inner().total_size
}

fn outcomes(done: &ImportDevicesResponse) -> Vec<ImportOutcome> {
    done.verdicts.iter().map(|verdict| verdict.outcome()).collect()
}

#[tokio::test]
async fn inventory_is_tried_first_then_made_and_made_again_without_effect() {
    let world = World::start().await;
    let service = world.service().await;
    let contract = world.contract(&service).await;
    let rows: Vec<_> = (0..120).map(|n| row(&format!("meter {n}"), &format!("SN-{n}"))).collect();
    let mut wanted = request(&contract, rows);
    wanted.dry_run = true;
    let tried = import(&world, &service, wanted.clone()).await.unwrap();
    assert_eq!((tried.created, tried.refused, tried.committed), (120, 0, false));
    assert_eq!(count(&world, &service).await, 0);
    assert!(world.auth.expected.lock().unwrap().is_empty());

    wanted.dry_run = false;
    let made = import(&world, &service, wanted.clone()).await.unwrap();
    assert_eq!((made.created, made.existing, made.committed), (120, 0, true));
    assert!(made.verdicts.iter().all(|verdict| verdict.device_id.len() == 36));
    assert_eq!(count(&world, &service).await, 120);
    let expected: Vec<_> =
        world.auth.expected.lock().unwrap().iter().map(|d| d.expected_serial.clone()).collect();
    assert_eq!(expected, (0..120).map(|n| format!("SN-{n}")).collect::<Vec<_>>());

    let again = import(&world, &service, wanted).await.unwrap();
    assert_eq!((again.created, again.existing, again.committed), (0, 120, true));
    let ids = |done: &ImportDevicesResponse| {
        done.verdicts.iter().map(|verdict| verdict.device_id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&again), ids(&made));
    assert_eq!(count(&world, &service).await, 120);
    assert!(service.stop().await);
}

#[tokio::test]
async fn one_bad_row_keeps_all_out_and_each_row_is_told_why() {
    let world = World::start().await;
    let service = world.service().await;
    let contract = world.contract(&service).await;
    import(&world, &service, request(&contract, vec![row("there", "SN-0")])).await.unwrap();
    let mut other_labels = row("there", "SN-0");
    other_labels.labels.clear();
    let rows = vec![
        row("new", "SN-1"),
        row("there", "SN-0"),
        row("there", "SN-2"),
        row("renamed", "SN-0"),
        row("", "SN-3"),
        row("nameless id", " "),
        row("new", "SN-4"),
        row("again", "SN-1"),
    ];
    let done = import(&world, &service, request(&contract, rows)).await.unwrap();
    assert!(!done.committed);
    assert_eq!((done.created, done.existing, done.refused), (1, 1, 6));
    let told: Vec<_> = done
        .verdicts
        .iter()
        .skip(2)
        .map(|v| (v.row, v.code.as_str(), v.pointer.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (3, "resource.exists", "/name"),
            (4, "resource.exists", "/external_id"),
            (5, "request.invalid", "/name"),
            (6, "request.invalid", "/external_id"),
            (7, "resource.exists", "/name"),
            (8, "resource.exists", "/external_id"),
        ]
    );
    assert_eq!(count(&world, &service).await, 1);
    let changed = import(&world, &service, request(&contract, vec![other_labels])).await.unwrap();
    assert_eq!(outcomes(&changed), [ImportOutcome::Refused]);
    // Nobody else's devices are in the way, and nobody else's contract is known.
    let foreign = world.by(world.other, "owner", request(&contract, vec![row("new", "SN-1")]));
    let foreign = service.devices().import_devices(foreign).await.unwrap_err();
    assert_eq!(Fault::from_status(&foreign).code(), Code::DeviceContractUnknown);
    assert!(service.stop().await);
}

#[tokio::test]
async fn import_is_limited_in_rows_and_needs_the_right() {
    let world = World::start().await;
    let service = world.service().await;
    let contract = world.contract(&service).await;
    let rows = |count: usize| {
        (0..count).map(|n| row(&format!("m{n}"), &format!("{n}"))).collect::<Vec<_>>()
    };
    let mut most = request(&contract, rows(1_000));
    most.dry_run = true;
    assert_eq!(import(&world, &service, most).await.unwrap().created, 1_000);
    for count in [0, 1_001] {
        let refused = import(&world, &service, request(&contract, rows(count))).await;
        assert_eq!(refused.unwrap_err(), Code::RequestInvalid, "{count}");
    }
    let operator = world.by(world.tenant, "operator", request(&contract, rows(1)));
    let refused = service.devices().import_devices(operator).await.unwrap_err();
    assert_eq!(Fault::from_status(&refused).code(), Code::AuthForbidden);
    assert!(service.stop().await);
}
