//! The kit itself, on the real servers.

use std::time::Duration;

use yard_ids::{IdSource as _, RandomIds, TenantId};
use yard_pg::{Actor, TenantTx};
use yard_testkit::{TestDb, TestNats, TestRedis, eventually, logs};

#[tokio::test]
async fn two_databases_are_migrated_and_apart() {
    let (one, two) = (TestDb::create().await, TestDb::create().await);
    let id = TenantId::from_uuid(RandomIds.uuid7());
    one.tenant(id, "acme").await;
    assert_eq!(one.sql("select slug from platform.tenants").await, "acme");
    assert_eq!(two.sql("select count(*) from platform.tenants").await, "0");
    // Each service that has a database has a role of its own, with nowhere to search for names.
    let path = "select count(*) from pg_db_role_setting s join pg_database d \
                on d.oid = s.setdatabase where d.datname = current_database()";
    assert_eq!(two.sql(path).await, "5");
}

#[tokio::test]
async fn a_services_pool_sees_its_tenants_schema() {
    let database = TestDb::create().await;
    let tenant = database.tenant(TenantId::from_uuid(RandomIds.uuid7()), "acme").await;
    let pg = database.pg("yard_ingest");
    pg.ping().await.unwrap();
    drop(TenantTx::begin(&pg, tenant, &Actor::service("test")).await.unwrap());
}

#[tokio::test]
async fn nats_keeps_its_port_over_a_kill() {
    let mut nats = TestNats::start().await;
    let url = nats.url();
    nats.client().await.flush().await.unwrap();
    nats.kill();
    nats.start_again();
    assert_eq!(nats.url(), url);
    nats.client().await.flush().await.unwrap();
}

#[tokio::test]
async fn redis_databases_differ() {
    let (one, two) = (TestRedis::create().await, TestRedis::create().await);
    assert_ne!(one.url(), two.url());
}

#[tokio::test]
async fn eventually_gives_back_what_the_probe_found() {
    let mut asked = 0;
    let found = eventually(Duration::from_secs(2), || {
        asked += 1;
        let now = asked;
        async move { (now == 3).then_some(now) }
    })
    .await;
    assert_eq!(found, 3);
}

#[test]
#[should_panic(expected = "unexpected in the log")]
fn an_unannounced_warning_fails_the_test() {
    let _log = logs::capture();
    tracing::warn!("something odd");
}

#[test]
fn an_announced_warning_is_fine() {
    let log = logs::capture();
    log.expect("something odd");
    tracing::warn!(code = 7, "something odd happened");
    assert!(log.contains("code=7"));
}
