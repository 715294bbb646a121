//! `yard-migrate up` over many tenants.

use yard_ids::{IdSource as _, RandomIds, TenantId};
use yard_migrations::{MigrationError, Report, Rollout, migrate, status};
use yard_testkit::TestDb;

/// A version that no release has.
const NEXT: i64 = 9_000;

async fn with_tenants(count: usize) -> (TestDb, Vec<TenantId>) {
    let db = TestDb::create().await;
    let mut tenants: Vec<TenantId> =
        (0..count).map(|_| TenantId::from_uuid(RandomIds.uuid7())).collect();
    for (at, tenant) in tenants.iter().enumerate() {
        db.tenant(*tenant, &format!("t{at}")).await;
    }
    tenants.sort_unstable_by_key(|tenant| tenant.uuid());
    (db, tenants)
}

/// Releases a file that adds a column, and fails for the tenants of `broken`.
async fn release(db: &TestDb, broken: &[TenantId]) {
    let schemas: Vec<String> =
        broken.iter().map(|id| format!("''ts_{}''", id.uuid().as_simple())).collect();
    let among = if schemas.is_empty() { "''''".to_owned() } else { schemas.join(", ") };
    db.sql(&format!(
        "insert into platform.tenant_migrations values ({NEXT}, 'a column', \
         'alter table devices add column colour text; \
          do $x$ begin if current_schema() in ({among}) then \
          raise exception ''this one is broken''; end if; end $x$', '') \
         on conflict (version) do update set sql = excluded.sql"
    ))
    .await;
}

async fn failed(db: &TestDb) -> Report {
    match migrate(&db.admin_url(), Rollout::default()).await {
        Err(MigrationError::Tenants(report)) => *report,
        other => panic!("expected failed tenants, got {other:?}"),
    }
}

async fn with_the_column(db: &TestDb) -> usize {
    let count = db
        .sql(
            "select count(*) from information_schema.columns \
             where table_name = 'devices' and column_name = 'colour'",
        )
        .await;
    count.trim().parse().unwrap()
}

#[tokio::test]
async fn run_with_nothing_to_do_visits_nobody() {
    let (db, _) = with_tenants(3).await;
    let report = migrate(&db.admin_url(), Rollout::default()).await.unwrap();
    assert_eq!(report, Report { tenants: 3, ..Report::default() });
}

#[tokio::test]
async fn new_file_reaches_every_tenant_once() {
    let (db, _) = with_tenants(9).await;
    release(&db, &[]).await;
    let report = migrate(&db.admin_url(), Rollout::default()).await.unwrap();
    assert_eq!((report.behind, report.migrated), (9, 9));
    assert_eq!(with_the_column(&db).await, 9);
    let (newest, tenants) = status(&db.admin_url()).await.unwrap();
    assert_eq!(newest, NEXT);
    assert!(tenants.iter().all(|tenant| tenant.version == NEXT && tenant.error.is_empty()));
}

#[tokio::test]
async fn failed_canary_keeps_the_file_from_everybody_else() {
    let (db, tenants) = with_tenants(5).await;
    release(&db, &tenants[..1]).await;
    let report = failed(&db).await;
    assert_eq!((report.failed.len(), report.left_out, report.migrated), (1, 4, 0));
    assert_eq!(with_the_column(&db).await, 0, "the canary's own change was undone");
}

#[tokio::test]
async fn failure_is_kept_with_its_tenant_and_a_repaired_run_goes_on_where_it_stopped() {
    let (db, tenants) = with_tenants(6).await;
    release(&db, &tenants[1..2]).await;
    let report = failed(&db).await;
    assert_eq!(report.failed[0].0, tenants[1].uuid());
    assert!(report.failed[0].1.contains("this one is broken"));
    let (_, before) = status(&db.admin_url()).await.unwrap();
    let noted = before.iter().find(|tenant| tenant.tenant_id == tenants[1].uuid()).unwrap();
    assert!(noted.error.contains("this one is broken") && noted.version < NEXT, "{noted:?}");

    release(&db, &[]).await;
    let repaired = migrate(&db.admin_url(), Rollout::default()).await.unwrap();
    assert_eq!(repaired.behind, 6 - report.migrated);
    assert_eq!(with_the_column(&db).await, 6);
    let (_, after) = status(&db.admin_url()).await.unwrap();
    assert!(after.iter().all(|tenant| tenant.error.is_empty()), "{after:?}");
}

#[tokio::test]
async fn released_file_that_was_changed_stops_the_run() {
    let (db, _) = with_tenants(1).await;
    db.sql("update platform.tenant_migrations set checksum = 'other' where version = 1").await;
    let outcome = migrate(&db.admin_url(), Rollout::default()).await;
    assert!(matches!(outcome, Err(MigrationError::Changed(1))), "{outcome:?}");
}

#[tokio::test]
async fn tenant_whose_table_is_locked_for_a_while_is_waited_for() {
    let (db, tenants) = with_tenants(2).await;
    release(&db, &[]).await;
    let schema = format!("ts_{}", tenants[0].uuid().as_simple());
    let holder = format!(
        "begin; lock table {schema}.devices in access exclusive mode; \
         select pg_sleep(2.5); commit"
    );
    let url = db.admin_url();
    let (_, report) = tokio::join!(db.sql(&holder), migrate(&url, Rollout::default()));
    assert_eq!(report.unwrap().migrated, 2);
}
