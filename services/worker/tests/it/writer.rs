use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures::StreamExt as _;
use prost::Message as _;
use serde_json::Value;
use yard_contracts::telemetry::v1::{StoredReceipt, TelemetryRecord};
use yard_contracts::{streams, subjects};
use yard_fault::Code;
use yard_messaging::Outgoing;
use yard_pg::{Actor, PostgresConfig, TenantTx};
use yard_testkit::{ChaosProxy, eventually};

use crate::support::{PATIENCE, World, at, device, id, now, record};

/// The newest dead letter's reason code, once there is one.
async fn dead_letter_code(world: &World) -> String {
    let subject = subjects::dead_letter(streams::TELEMETRY.name, "telemetry-writer");
    eventually(PATIENCE, || async {
        let stream = world.jetstream().get_stream(streams::DLQ.name).await.ok()?;
        let message = stream.direct_get_last_for_subject(subject.as_str()).await.ok()?;
        Some(message.headers.get("Yard-Reason-Code")?.as_str().to_owned())
    })
    .await
}

#[tokio::test]
async fn batch_with_duplicates_is_stored_once() {
    let world = World::new().await;
    let (tenant, device) = (world.tenant("acme").await, device());
    let records: Vec<_> = (1..=300).map(|n| record(tenant, device, n)).collect();
    let twice: Vec<_> = records.iter().chain(records.iter().rev()).cloned().collect();
    world.publish(&twice).await;
    let service = world.start().await;
    world.drained().await;
    assert_eq!(world.stored().await, 300);
    // And again when everything is there already, as after a crash between commit and ack.
    world.publish(&records).await;
    world.drained().await;
    assert_eq!(world.stored().await, 300);
    service.stop().await;
}

#[tokio::test]
async fn two_tenants_in_one_batch_cannot_mix() {
    let world = World::new().await;
    let tenants = [world.tenant("acme").await, world.tenant("globex").await];
    let devices = [device(), device()];
    let mut records = Vec::new();
    for n in 1..=200 {
        let which = usize::from(n % 2 == 0);
        records.push(record(tenants[which], devices[which], n));
    }
    world.publish(&records).await;
    let service = world.start().await;
    world.drained().await;
    let pg = world.db.pg("yard_worker");
    for (tenant, device) in tenants.into_iter().zip(devices) {
        let mut tx = TenantTx::begin(&pg, tenant, &Actor::service("test")).await.unwrap();
        let rows: Vec<(uuid::Uuid, uuid::Uuid, i64)> = sqlx::query_as(
            "select tenant_id, device_id, count(*) from series.telemetry group by 1, 2",
        )
        .fetch_all(&mut *tx)
        .await
        .unwrap();
        assert_eq!(rows, [(tenant.uuid(), device.uuid(), 100)]);
    }
    service.stop().await;
}

#[tokio::test]
async fn record_of_another_tenant_than_its_subject_goes_to_the_dead_letters() {
    let world = World::new().await;
    world.log.expect("moved to the dead letters");
    let (tenant, other, device) =
        (world.tenant("acme").await, world.tenant("globex").await, device());
    let message = Outgoing {
        subject: subjects::telemetry(tenant, device, "reading"),
        id: id(),
        payload: record(other, device, 1).encode_to_vec().into(),
        traceparent: None,
    };
    world.bus.publish(&message).await.unwrap().confirmed().await.unwrap();
    let service = world.start().await;
    assert_eq!(dead_letter_code(&world).await, Code::RequestInvalid.as_str());
    world.drained().await;
    assert_eq!(world.stored().await, 0);
    service.stop().await;
}

#[tokio::test]
async fn poison_row_among_a_thousand_is_taken_out_alone() {
    let world = World::new().await;
    world.log.expect("moved to the dead letters");
    let (tenant, device) = (world.tenant("acme").await, device());
    let mut records: Vec<_> = (1..=1_000).map(|n| record(tenant, device, n)).collect();
    // JSON to every parser but the database's.
    records[617].values_json = r#"{"note":"\u0000"}"#.to_owned();
    world.publish(&records).await;
    let service = world.start().await;
    assert_eq!(dead_letter_code(&world).await, Code::TelemetryContractViolated.as_str());
    world.drained().await;
    assert_eq!(world.stored().await, 999);
    assert_eq!(world.in_stream(streams::DLQ.name).await, 1);
    let missing = "select count(*) from series.telemetry where sequence = 618";
    assert_eq!(world.db.sql(missing).await, "0");
    service.stop().await;
}

#[tokio::test]
async fn missing_partition_is_made_and_an_impossible_day_is_poison() {
    let world = World::new().await;
    world.log.expect("a partition was missing").expect("moved to the dead letters");
    let (tenant, device) = (world.tenant("acme").await, device());
    let service = world.start().await;
    world.publish(&[record(tenant, device, 1)]).await;
    world.drained().await;
    let today = "drop table series.telemetry_";
    let day = world.db.sql("select to_char(now() at time zone 'UTC', 'YYYYMMDD')").await;
    world.db.sql(&format!("{today}{day}")).await;
    let far = now() + time::Duration::days(100);
    world.publish(&[at(tenant, device, 2, far), at(tenant, device, 3, now())]).await;
    assert_eq!(dead_letter_code(&world).await, Code::TelemetryTimestampSkewed.as_str());
    world.drained().await;
    let found = "select count(*) from series.telemetry where sequence = 3";
    assert_eq!(world.db.sql(found).await, "1");
    service.stop().await;
}

#[tokio::test]
async fn database_cut_away_loses_nothing_and_is_resumed() {
    let world = World::new().await;
    world.log.expect("query failed").expect("database does not answer");
    let (tenant, device) = (world.tenant("acme").await, device());
    let direct = world.db.url("yard_worker");
    let (head, tail) = direct.split_once("@127.0.0.1:").unwrap();
    let (port, database) = tail.split_once('/').unwrap();
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse::<u16>().unwrap()));
    let proxy = ChaosProxy::start(upstream).unwrap();
    let mut config = world.config();
    let url = format!("{head}@{}/{database}", proxy.addr());
    config.postgres = PostgresConfig { max_connections: 10, ..PostgresConfig::for_test(&url) };
    let service = world.start_with(config).await;

    let records: Vec<_> = (1..=3_000).map(|n| record(tenant, device, n)).collect();
    let (before, after) = records.split_at(1_000);
    world.publish(before).await;
    eventually(PATIENCE, || async { world.stored().await > 0 }).await;
    proxy.cut();
    world.publish(after).await;
    assert!(world.in_stream(streams::TELEMETRY.name).await >= 2_000);
    proxy.restore();
    world.drained().await;
    assert_eq!(world.stored().await, 3_000);
    assert_eq!(world.in_stream(streams::DLQ.name).await, 0);
    service.stop().await;
}

#[tokio::test]
async fn worker_killed_again_and_again_stores_everything_once() {
    let world = World::new().await;
    let (tenant, device) = (world.tenant("acme").await, device());
    let records: Vec<_> = (1..=6_000).map(|n| record(tenant, device, n)).collect();
    let mut chunks = records.chunks(1_500);
    for chunk in chunks.by_ref() {
        let before = world.stored().await;
        let victim = world.start_victim().await;
        world.publish(chunk).await;
        // Killed in the middle of its work: something is stored, nothing is known of the rest.
        eventually(PATIENCE, || async { world.stored().await > before }).await;
        victim.kill();
    }
    let service = world.start().await;
    world.drained().await;
    assert_eq!(world.stored().await, 6_000);
    service.stop().await;
}

#[tokio::test]
async fn receipts_name_what_is_stored_even_when_it_was_before() {
    let world = World::new().await;
    let (tenant, device) = (world.tenant("acme").await, device());
    let subject = subjects::receipt(tenant, device);
    let mut receipts = world.bus.subscribe_live(subject).await.unwrap();
    world.bus.flush().await.unwrap();
    let wanted = |n| TelemetryRecord { receipt_requested: n % 2 == 0, ..record(tenant, device, n) };
    let records: Vec<_> = (1..=20).map(wanted).collect();
    let service = world.start().await;
    for _round in 0..2 {
        world.publish(&records).await;
        let mut told = BTreeSet::new();
        while told.len() < 10 {
            let next = tokio::time::timeout(PATIENCE, receipts.next()).await.unwrap().unwrap();
            let receipt = StoredReceipt::decode(next.payload).unwrap();
            assert_eq!((receipt.epoch, receipt.device_id), (1, device.to_string()));
            told.extend(receipt.sequences);
        }
        assert_eq!(told, (1..=20).filter(|n| n % 2 == 0).collect());
    }
    assert_eq!(world.stored().await, 20);
    service.stop().await;
}

#[tokio::test]
async fn live_events_come_after_the_commit_and_are_conflated() {
    let world = World::new().await;
    let (tenant, device) = (world.tenant("acme").await, device());
    let subject = subjects::live_device_all(tenant, device);
    let mut events = world.bus.subscribe_live(subject).await.unwrap();
    world.bus.flush().await.unwrap();
    let records: Vec<_> = (1..=500).map(|n| record(tenant, device, n)).collect();
    world.publish(&records).await;
    let mut config = world.config();
    config.telemetry_writer.tasks = 1;
    let service = world.start_with(config).await;
    let mut heard = Vec::new();
    loop {
        let next = tokio::time::timeout(PATIENCE, events.next()).await.unwrap().unwrap();
        let event: Value = serde_json::from_slice(&next.payload).unwrap();
        heard.push(event.clone());
        if event["sequence"] == 500 {
            break;
        }
    }
    let last = heard.last().unwrap();
    assert_eq!(last["event"], "telemetry.received");
    assert_eq!(last["device_id"], device.to_string());
    assert_eq!(last["values"]["temperature"], 20.5);
    assert!(last["received_at"].is_string() && last["message_id"].is_string());
    let found = "select count(*) from series.telemetry where sequence = 500";
    assert_eq!(world.db.sql(found).await, "1");
    assert!(heard.len() < 100, "{} events", heard.len());
    world.drained().await;
    service.stop().await;
}

#[tokio::test]
async fn partitions_are_there_before_any_scheduler_ran() {
    let world = World::new().await;
    let names = "select string_agg(name, ',') from series.telemetry_partitions()";
    let all = world.db.sql(names).await;
    let day = (now().date() + time::Duration::days(1)).to_string().replace('-', "");
    let tomorrow = format!("telemetry_{day}");
    assert!(all.contains(&tomorrow));
    world.db.sql(&format!("drop table series.{tomorrow}")).await;
    let service = world.start().await;
    eventually(Duration::from_secs(10), || async { world.db.sql(names).await.contains(&tomorrow) })
        .await;
    service.stop().await;
}

/// Why the writer inserts from arrays. Should PostgreSQL learn it one day, this test will say so.
#[tokio::test]
async fn copy_into_a_table_with_row_level_security_is_refused() {
    let world = World::new().await;
    let tenant = world.tenant("acme").await;
    let pg = world.db.pg("yard_worker");
    let mut tx = TenantTx::begin(&pg, tenant, &Actor::service("test")).await.unwrap();
    let refused = tx.copy_in_raw("copy series.telemetry from stdin").await.err().unwrap();
    let refused = refused.as_database_error().unwrap();
    assert_eq!(refused.code().unwrap(), "0A000");
    assert_eq!(refused.message(), "COPY FROM not supported with row-level security");
}
