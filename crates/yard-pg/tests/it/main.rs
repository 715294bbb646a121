//! The doors to PostgreSQL, on PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers as well")]

mod encrypted;
mod pooler;
mod reader;

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;
use yard_ids::{IdSource as _, RandomIds, TenantId};
use yard_pg::outbox::{self, Entry, Outbox};
use yard_pg::{Actor, Lease, PgError, PlatformTx, TenantTx};
use yard_runtime::{Runtime, Secret};
use yard_testkit::TestDb;

fn tenant(n: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(n))
}

fn actor() -> Actor {
    Actor::service("test")
}

async fn setting(tx: &mut sqlx::PgConnection, name: &'static str) -> String {
    sqlx::query_scalar("select coalesce(current_setting($1, true), '')")
        .bind(name)
        .fetch_one(tx)
        .await
        .expect("a setting can be read")
}

#[tokio::test]
async fn req_wifi_36_tenant_context_is_set_and_gone_with_the_transaction() {
    let db = TestDb::create().await;
    db.tenant(tenant(1), "one").await;
    let mut config = db.config("yard_ingest");
    // One connection: the next transaction gets the one that this used.
    config.max_connections = 1;
    let pg = yard_pg::Pg::open(&config, "test").unwrap();

    let mut tx = TenantTx::begin(&pg, tenant(1), &actor()).await.unwrap();
    assert_eq!(setting(&mut tx, "app.tenant_id").await, tenant(1).to_string());
    assert_eq!(setting(&mut tx, "search_path").await, yard_pg::tenant_schema(tenant(1)));
    assert_eq!(setting(&mut tx, "app.platform").await, "");
    tx.commit().await.unwrap();

    let mut tx = PlatformTx::begin(&pg, &actor()).await.unwrap();
    assert_eq!(setting(&mut tx, "app.tenant_id").await, "");
    assert_eq!(setting(&mut tx, "search_path").await, "");
    assert_eq!(setting(&mut tx, "app.platform").await, "on");
}

#[tokio::test]
async fn statement_that_takes_too_long_is_cancelled_and_the_limit_ends_with_the_transaction() {
    let db = TestDb::create().await;
    let mut config = db.config("yard_ingest");
    config.max_connections = 1;
    config.statement_timeout = Duration::from_millis(100);
    let pg = yard_pg::Pg::open(&config, "test").unwrap();

    let mut tx = PlatformTx::begin(&pg, &actor()).await.unwrap();
    assert_eq!(setting(&mut tx, "statement_timeout").await, "100ms");
    let slow = sqlx::query("select pg_sleep(60)").execute(&mut *tx).await.unwrap_err();
    let code = slow.as_database_error().and_then(|e| e.code()).map(|code| code.into_owned());
    assert_eq!(code.as_deref(), Some("57014"), "{slow:?}");
    drop(tx);

    // The same connection, by another service behind a pooler: its own limit, not ours.
    config.statement_timeout = Duration::from_secs(7);
    let other = yard_pg::Pg::open(&config, "other").unwrap();
    let mut tx = PlatformTx::begin(&other, &actor()).await.unwrap();
    assert_eq!(setting(&mut tx, "statement_timeout").await, "7s");
}

#[tokio::test]
async fn connection_asks_for_nothing_that_a_pooler_refuses() {
    let db = TestDb::create().await;
    let pg = db.pg("yard_ingest");
    let mut tx = PlatformTx::begin(&pg, &actor()).await.unwrap();
    // What came with the connection's start. PgBouncer passes these four on, and no others.
    let asked: Vec<String> = sqlx::query_scalar(
        "select name from pg_settings where source = 'client' order by lower(name)",
    )
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    let passed_on = ["application_name", "client_encoding", "DateStyle", "TimeZone"];
    let foreign: Vec<_> = asked.iter().filter(|name| !passed_on.contains(&name.as_str())).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

#[tokio::test]
async fn transaction_that_is_dropped_leaves_nothing() {
    let db = TestDb::create().await;
    let pg = db.pg("yard_ingest");
    let entry = entry(1);
    let mut tx = PlatformTx::begin(&pg, &actor()).await.unwrap();
    outbox::write(&mut tx, Outbox::Ingest, &entry, OffsetDateTime::UNIX_EPOCH).await.unwrap();
    drop(tx);
    let mut tx = PlatformTx::begin(&pg, &actor()).await.unwrap();
    assert!(outbox::claim(&mut tx, Outbox::Ingest, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn unique_key_that_is_taken_is_told_by_its_name() {
    let db = TestDb::create().await;
    let pg = db.pg("yard_ingest");
    let mut tx = PlatformTx::begin(&pg, &actor()).await.unwrap();
    let now = OffsetDateTime::UNIX_EPOCH;
    outbox::write(&mut tx, Outbox::Ingest, &entry(1), now).await.unwrap();
    let again = outbox::write(&mut tx, Outbox::Ingest, &entry(1), now).await.unwrap_err();
    assert!(again.is_taken("ingest_outbox_pkey"), "{again:?}");
}

#[tokio::test]
async fn database_that_is_not_there_is_unavailable_and_not_our_fault() {
    let config = yard_pg::PostgresConfig::for_test("postgres://nobody@127.0.0.1:1/none");
    let pg = yard_pg::Pg::open(&config, "test").unwrap();
    let refused = TenantTx::begin(&pg, tenant(1), &actor()).await.unwrap_err();
    assert!(matches!(refused, PgError::Unavailable(_)), "{refused:?}");
}

fn entry(n: u128) -> Entry {
    Entry {
        id: Uuid::from_u128(n),
        tenant: None,
        subject: format!("cmd.v1.{n}"),
        payload: vec![1, 2, 3],
        traceparent: None,
    }
}

#[tokio::test]
async fn outbox_entries_are_claimed_once_in_order_and_again_after_a_broker_loss() {
    let db = TestDb::create().await;
    let pg = db.pg("yard_ingest");
    let mut tx = PlatformTx::begin(&pg, &actor()).await.unwrap();
    for n in 1..=3_u128 {
        let at = OffsetDateTime::from_unix_timestamp(i64::try_from(n).unwrap()).unwrap();
        outbox::write(&mut tx, Outbox::Ingest, &entry(n), at).await.unwrap();
    }
    tx.commit().await.unwrap();

    let mut first = PlatformTx::begin(&pg, &actor()).await.unwrap();
    let claimed = outbox::claim(&mut first, Outbox::Ingest, 2).await.unwrap();
    assert_eq!(claimed.iter().map(|e| e.id.as_u128()).collect::<Vec<_>>(), [1, 2]);
    let mut second = PlatformTx::begin(&pg, &actor()).await.unwrap();
    let others = outbox::claim(&mut second, Outbox::Ingest, 10).await.unwrap();
    assert_eq!(others.iter().map(|e| e.id.as_u128()).collect::<Vec<_>>(), [3]);
    drop(second);

    let ids: Vec<_> = claimed.iter().map(|e| e.id).collect();
    let now = OffsetDateTime::UNIX_EPOCH;
    outbox::mark_sent(&mut first, Outbox::Ingest, &ids, &[10, 11], now).await.unwrap();
    first.commit().await.unwrap();

    // The stream's last sequence is 10 again: what had 11 is gone.
    assert_eq!(outbox::resend_above(&pg, Outbox::Ingest, "cmd.v1.", 10).await.unwrap(), 1);
    assert_eq!(outbox::resend_above(&pg, Outbox::Ingest, "evt.v1.", 0).await.unwrap(), 0);
    let mut tx = PlatformTx::begin(&pg, &actor()).await.unwrap();
    let again = outbox::claim(&mut tx, Outbox::Ingest, 10).await.unwrap();
    assert_eq!(again.iter().map(|e| e.id.as_u128()).collect::<Vec<_>>(), [2, 3]);
}

#[tokio::test]
async fn req_lmu_45_lease_has_one_holder_and_a_growing_epoch() {
    let db = TestDb::create().await;
    let pg = db.pg("yard_scheduler");
    let ttl = Duration::from_secs(60);
    let (a, b) =
        (Lease::new(pg.clone(), "leader", "a", ttl), Lease::new(pg.clone(), "leader", "b", ttl));
    let held = a.acquire_or_renew().await.unwrap().expect("free");
    assert_eq!(b.acquire_or_renew().await.unwrap(), None);
    let renewed = a.acquire_or_renew().await.unwrap().expect("own");
    assert_eq!(renewed.epoch, held.epoch);

    a.release().await.unwrap();
    let taken = b.acquire_or_renew().await.unwrap().expect("released");
    assert_eq!(taken.epoch, held.epoch + 1);
    assert_eq!(a.acquire_or_renew().await.unwrap(), None);

    let mut tx = PlatformTx::begin(&pg, &actor()).await.unwrap();
    assert!(!a.holds(&mut tx, held.epoch).await.unwrap(), "the old term writes nothing");
    assert!(b.holds(&mut tx, taken.epoch).await.unwrap());
}

#[tokio::test]
async fn password_is_changed_under_a_running_service_by_its_file() {
    let db = TestDb::create().await;
    let role = format!("yard_rotated_{}", RandomIds.uuid7().as_simple());
    db.sql(&format!("create role {role} login password 'one'")).await;
    let place = db.url("yard_ingest");
    let (_, place) = place.rsplit_once('@').unwrap();
    let file = std::env::temp_dir().join(&role);
    let say = |password: &str| {
        std::fs::write(&file, format!("postgres://{role}:{password}@{place}\n")).unwrap();
    };
    say("one");
    let mut config = db.config("yard_ingest");
    (config.url, config.url_file) = (Secret::default(), file.clone());
    let runtime = Runtime::builder("test", "0").build();
    let pg = yard_pg::Pg::open(&config, "test").unwrap();
    pg.watch(&runtime);
    pg.ping().await.unwrap();
    db.sql(&format!("alter role {role} password 'two'")).await;
    pg.ping().await.expect("an open connection goes on");
    let cut =
        format!("select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'");
    db.sql(&cut).await;
    assert!(pg.ping().await.is_err(), "the old password opens nothing new");
    say("two");
    yard_testkit::eventually(Duration::from_secs(15), || async { pg.ping().await.is_ok() }).await;
    assert!(runtime.stop(Duration::ZERO, Duration::from_secs(5)).await);
    pg.close().await;
    db.sql(&format!("drop role {role}")).await;
    std::fs::remove_file(&file).unwrap();
}
