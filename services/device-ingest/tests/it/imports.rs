use std::collections::HashMap;

use yard_contracts::device::v1::{
    Contract, FactoryEnrolment, ImportDevicesRequest, ImportDevicesResponse, ImportOutcome,
    ImportedDevice, ListDevicesRequest,
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
    let factory_enrolment = FactoryEnrolment::Expected.into();
    ImportDevicesRequest { contract_id, devices, dry_run: false, factory_enrolment }
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

#[tokio::test]
async fn devices_are_expected_or_no_longer_and_otherwise_left_alone() {
    let world = World::start().await;
    let service = world.service().await;
    let contract = world.contract(&service).await;
    let mut wanted = request(&contract, vec![row("meter", "SN-1")]);
    wanted.factory_enrolment = FactoryEnrolment::Unspecified.into();
    for _ in 0..2 {
        import(&world, &service, wanted.clone()).await.unwrap();
    }
    let told = || std::mem::take(&mut *world.auth.expected.lock().unwrap());
    let first = told();
    assert_eq!(first.len(), 1, "of a device that is there nothing is told");
    assert!(first[0].expected_serial.is_empty() && !first[0].expect_no_longer);
    for (wish, serial, no_longer) in
        [(FactoryEnrolment::Expected, "SN-1", false), (FactoryEnrolment::Withdrawn, "", true)]
    {
        wanted.factory_enrolment = wish.into();
        import(&world, &service, wanted.clone()).await.unwrap();
        let now = told();
        assert_eq!(now.len(), 1);
        assert_eq!(now[0].device_id, first[0].device_id);
        assert_eq!((now[0].expected_serial.as_str(), now[0].expect_no_longer), (serial, no_longer));
    }
    wanted.factory_enrolment = 3;
    assert_eq!(import(&world, &service, wanted).await.unwrap_err(), Code::RequestInvalid);
    assert!(service.stop().await);
}

/// Spreadsheets take such texts for formulas; here they are names, and shown as they came.
#[tokio::test]
async fn rows_with_formulas_are_names_and_endless_ones_are_refused_without_being_repeated() {
    let world = World::start().await;
    let service = world.service().await;
    let contract = world.contract(&service).await;
    let formulas = ["=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(1)", "\"><script>", "'; drop --"];
    let named: Vec<_> = formulas.iter().map(|text| row(text, text)).collect();
    let made = import(&world, &service, request(&contract, named)).await.unwrap();
    assert_eq!((made.created, made.committed), (6, true));
    let list = world.own(ListDevicesRequest::default());
    let list = service.devices().list_devices(list).await.unwrap().into_inner();
    for device in &list.devices {
        assert!(formulas.contains(&device.name.as_str()) && device.external_id == device.name);
    }
    let mut rows = vec![
        row(&"n".repeat(120), &"x".repeat(120)),
        row(&"n".repeat(121), "SN-2"),
        row("long", &"x".repeat(121)),
        row(&"n".repeat(1_000_000), "SN-4"),
        row("a\0b", "SN-5"),
        row("many labels", "SN-6"),
    ];
    let label = |n: usize| (n.to_string(), "x".repeat(255));
    rows[5].labels = (0..33).map(label).collect();
    let refused = import(&world, &service, request(&contract, rows.clone())).await.unwrap();
    assert_eq!((refused.created, refused.refused, refused.committed), (1, 5, false));
    assert!(refused.verdicts.iter().all(|verdict| verdict.detail.len() < 200));
    rows[5].labels.remove("32");
    let fits = vec![rows.remove(5), rows.remove(0)];
    assert!(import(&world, &service, request(&contract, fits)).await.unwrap().committed);
    assert!(service.stop().await);
}

#[tokio::test]
async fn of_two_imports_at_once_one_makes_the_devices_and_the_other_finds_them() {
    let world = World::start().await;
    let service = world.service().await;
    let contract = world.contract(&service).await;
    let rows: Vec<_> = (0..40).map(|n| row(&format!("meter {n}"), &format!("SN-{n}"))).collect();
    let backwards: Vec<_> = rows.iter().rev().cloned().collect();
    let (one, two) = tokio::join!(
        import(&world, &service, request(&contract, rows)),
        import(&world, &service, request(&contract, backwards)),
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(one.committed && two.committed);
    let mut counts = [(one.created, one.existing), (two.created, two.existing)];
    counts.sort_unstable();
    assert_eq!(counts, [(0, 40), (40, 0)]);
    assert_eq!(count(&world, &service).await, 40);
    assert!(service.stop().await);
}

#[tokio::test]
async fn req_lmu_56_import_fits_into_the_limit_as_a_whole_or_makes_nothing() {
    let world = World::start().await;
    let service = world.service().await;
    let contract = world.contract(&service).await;
    import(&world, &service, request(&contract, vec![row("first", "SN-0")])).await.unwrap();
    let limit = "update platform.tenants set limits = '{\"devices\": 3}'";
    world.db.sql(limit).await;
    let rows = |to: usize| {
        let new = (1..to).map(|n| row(&format!("m{n}"), &format!("SN-{n}")));
        std::iter::once(row("first", "SN-0")).chain(new).collect::<Vec<_>>()
    };
    for dry_run in [true, false] {
        let mut four = request(&contract, rows(4));
        four.dry_run = dry_run;
        assert_eq!(import(&world, &service, four).await.unwrap_err(), Code::LimitReached);
        assert_eq!(count(&world, &service).await, 1);
    }
    let three = import(&world, &service, request(&contract, rows(3))).await.unwrap();
    assert_eq!((three.created, three.existing, three.committed), (2, 1, true));
    // What is there already needs no place.
    assert!(import(&world, &service, request(&contract, rows(3))).await.unwrap().committed);
    assert!(service.stop().await);
}

/// What auth does not know could never enrol: it is not made here either.
#[tokio::test]
async fn import_that_auth_refuses_makes_nothing() {
    let world = World::start().await;
    let service = world.service().await;
    let contract = world.contract(&service).await;
    *world.auth.refuses.lock().unwrap() = Some(Code::ResourceExists);
    let rows = vec![row("one", "SN-1"), row("two", "SN-2")];
    let refused = import(&world, &service, request(&contract, rows.clone())).await;
    assert_eq!(refused.unwrap_err(), Code::ResourceExists);
    assert_eq!(count(&world, &service).await, 0);
    *world.auth.refuses.lock().unwrap() = None;
    assert!(import(&world, &service, request(&contract, rows)).await.unwrap().committed);
    assert!(service.stop().await);
}
