//! The doors behind PgBouncer in transaction mode, where every transaction may get another
//! connection, and each connection serves everybody.

use yard_ids::TenantId;
use yard_pg::{Actor, Pg, PlatformTx, TenantTx, tenant_schema};
use yard_testkit::TestDb;

use super::{actor, setting, tenant};

const CLIENTS: u32 = 6;
const ROUNDS: u32 = 40;

/// Pools as those of several processes, all behind one connection to the server.
fn pools(db: &TestDb) -> Vec<Pg> {
    (0..CLIENTS).map(|_| db.pg("yard_ingest")).collect()
}

/// Statements in an order of each client's own: the number that a driver gives to a statement is
/// another statement's at the next client.
async fn look(tx: &mut TenantTx, first: u32) -> [String; 3] {
    let mut seen = [const { String::new() }; 3];
    for step in 0..3 {
        match (first + step) % 3 {
            0 => seen[0] = setting(tx, "app.tenant_id").await,
            1 => {
                let sql = "select current_schema()::text";
                seen[1] = sqlx::query_scalar(sql).fetch_one(&mut **tx).await.unwrap();
            }
            _ => {
                let sql = "select current_setting('app.actor') || '/' || $1::text";
                let asked = sqlx::query_scalar(sql).bind(first.to_string());
                seen[2] = asked.fetch_one(&mut **tx).await.unwrap();
            }
        }
    }
    seen
}

async fn own_context_is_seen(pg: &Pg, id: TenantId, client: u32) {
    let who = Actor::service(&format!("client-{client}"));
    let mut tx = TenantTx::begin(pg, id, &who).await.unwrap();
    let [tenant, schema, said] = look(&mut tx, client).await;
    assert_eq!(tenant, id.to_string());
    assert_eq!(schema, tenant_schema(id));
    assert_eq!(said, format!("service:client-{client}/{client}"));
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn req_lmu_51_one_pooled_connection_serves_two_tenants_and_mixes_nothing() {
    let db = TestDb::behind_pooler(1).await;
    for n in 1..=2 {
        db.tenant(tenant(n), &format!("t{n}")).await;
    }
    let clients = pools(&db).into_iter().zip(0..).map(|(pg, client)| async move {
        for round in 0..ROUNDS {
            let id = tenant(u128::from((client + round) % 2 + 1));
            own_context_is_seen(&pg, id, client).await;
        }
    });
    futures::future::join_all(clients).await;
    let serving = "select count(*) from pg_stat_activity \
                   where datname = current_database() and usename = 'yard_ingest'";
    assert_eq!(db.sql(serving).await, "1", "they shared a connection");
}

#[tokio::test]
async fn transaction_that_is_left_behind_leaves_nothing_for_the_next_client() {
    let db = TestDb::behind_pooler(1).await;
    db.tenant(tenant(1), "one").await;
    let (first, second) = (db.pg("yard_ingest"), db.pg("yard_ingest"));
    let mut tx = TenantTx::begin(&first, tenant(1), &actor()).await.unwrap();
    assert_eq!(setting(&mut tx, "app.tenant_id").await, tenant(1).to_string());
    // Neither committed nor rolled back: the client goes, as one that is killed does.
    drop(tx);
    first.close().await;

    let mut tx = PlatformTx::begin(&second, &actor()).await.unwrap();
    assert_eq!(setting(&mut tx, "app.tenant_id").await, "");
    assert_eq!(setting(&mut tx, "search_path").await, "");
    assert_eq!(setting(&mut tx, "app.platform").await, "on");
}

#[tokio::test]
async fn killed_pooler_costs_one_try_and_no_restart() {
    let mut db = TestDb::behind_pooler(2).await;
    db.tenant(tenant(1), "one").await;
    let pg = db.pg("yard_ingest");
    own_context_is_seen(&pg, tenant(1), 1).await;
    db.kill_pooler();
    // A pool looks at a connection before it hands it out.
    own_context_is_seen(&pg, tenant(1), 2).await;
}
