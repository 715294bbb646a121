//! Reading from a real streaming replica, and from the writer whenever the replica is behind.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use yard_ids::{IdSource as _, RandomIds, TenantId};
use yard_pg::{Actor, Pg, PlatformTx, TenantTx};
use yard_runtime::{Runtime, Secret, TaskKind};
use yard_testkit::{TestDb, TestReplica, eventually};

const BOUND: Duration = Duration::from_secs(2);
/// To catch up, to be noticed, and for a busy machine.
const SOON: Duration = Duration::from_secs(90);

fn actor() -> Actor {
    Actor::service("test")
}

/// A database with a replica, a scheduler's beat and a reader's pool.
struct World {
    db: TestDb,
    replica: TestReplica,
    runtime: Runtime,
    beating: CancellationToken,
    pg: Pg,
    tenants: [TenantId; 2],
}

impl World {
    async fn start() -> Self {
        let db = TestDb::on_its_own_server().await;
        let tenants =
            [TenantId::from_uuid(RandomIds.uuid7()), TenantId::from_uuid(RandomIds.uuid7())];
        for (tenant, slug) in tenants.into_iter().zip(["a", "b"]) {
            db.tenant(tenant, slug).await;
        }
        let replica = TestReplica::of(&db).await;
        let runtime = Runtime::builder("test", "0").build();
        let mut config = db.config("yard_worker");
        config.reader_url = Secret::new(db.replica_url(&replica, "yard_worker"));
        config.max_reader_lag = BOUND;
        let pg = Pg::open(&config, "test").unwrap();
        pg.watch(&runtime);
        let beating = CancellationToken::new();
        let world = Self { db, replica, runtime, beating, pg, tenants };
        world.beat();
        world
    }

    /// What the scheduler does, faster.
    fn beat(&self) {
        let (pg, stop) = (self.db.pg("yard_scheduler"), self.beating.clone());
        self.runtime.tasks().spawn(TaskKind::Background, "beat", async move {
            let pause = || tokio::time::sleep(Duration::from_millis(100));
            while stop.run_until_cancelled(pause()).await.is_some() {
                let mut tx = PlatformTx::begin(&pg, &actor()).await?;
                sqlx::query("update platform.heartbeat set beat_at = clock_timestamp()")
                    .execute(&mut *tx)
                    .await?;
                tx.commit().await?;
            }
            pg.close().await;
            Ok(())
        });
    }

    async fn begin(&self, tenant: usize) -> TenantTx {
        TenantTx::begin_reader(&self.pg, self.tenants[tenant], &actor()).await.unwrap()
    }

    /// Whether the next transaction is on the replica, and how many readings its tenant has there.
    async fn read(&self, tenant: usize) -> (bool, i64) {
        let mut tx = self.begin(tenant).await;
        sqlx::query_as("select pg_is_in_recovery(), count(*) from series.telemetry")
            .fetch_one(&mut *tx)
            .await
            .unwrap()
    }

    async fn reads_from_the_replica(&self, expected: bool) {
        eventually(SOON, || async { self.read(0).await.0 == expected }).await;
    }

    /// One reading more of the first tenant.
    async fn store(&self) {
        let tenant = self.tenants[0];
        self.db
            .sql(&format!(
                "insert into series.telemetry (tenant_id, device_id, occurred_at, message_id, \
                   received_at, epoch, sequence, payload) \
                 values ('{tenant}', gen_random_uuid(), now(), gen_random_uuid(), now(), 0, 0, '{{}}')"
            ))
            .await;
    }

    async fn finish(self) {
        self.beating.cancel();
        assert!(self.runtime.stop(Duration::ZERO, Duration::from_secs(5)).await);
        self.pg.close().await;
    }
}

#[tokio::test]
async fn replica_is_read_under_the_same_walls_and_never_written() {
    let world = World::start().await;
    world.store().await;
    world.reads_from_the_replica(true).await;
    eventually(SOON, || async { world.read(0).await == (true, 1) }).await;
    assert_eq!(world.read(1).await, (true, 0), "another tenant's rows stay unseen");
    let mut tx = world.begin(0).await;
    let refused = sqlx::query("delete from series.telemetry").execute(&mut *tx).await;
    assert!(refused.unwrap_err().to_string().contains("read-only"));
    drop(tx);
    let mut tx = PlatformTx::begin_reader(&world.pg, &actor()).await.unwrap();
    let there: bool =
        sqlx::query_scalar("select pg_is_in_recovery()").fetch_one(&mut *tx).await.unwrap();
    assert!(there);
    drop(tx);
    let mut tx = TenantTx::begin(&world.pg, world.tenants[0], &actor()).await.unwrap();
    let there: bool =
        sqlx::query_scalar("select pg_is_in_recovery()").fetch_one(&mut *tx).await.unwrap();
    assert!(!there, "who writes is on the writer");
    drop(tx);
    world.finish().await;
}

#[tokio::test]
async fn replica_whose_replay_stands_still_is_left_in_time_and_taken_again() {
    let world = World::start().await;
    world.reads_from_the_replica(true).await;
    world.replica.sql("select pg_wal_replay_pause()").await;
    eventually(SOON, || async {
        world.replica.sql("select pg_get_wal_replay_pause_state()").await == "paused"
    })
    .await;
    world.store().await;
    let stored = Instant::now();
    // The replica never has this reading: answers without it have to end within the bound.
    loop {
        let began = stored.elapsed();
        if world.read(0).await == (false, 1) {
            break;
        }
        assert!(began <= BOUND, "read behind the bound, {began:?} after the commit");
    }
    assert_eq!(world.read(0).await, (false, 1));
    world.replica.sql("select pg_wal_replay_resume()").await;
    world.reads_from_the_replica(true).await;
    eventually(SOON, || async { world.read(0).await == (true, 1) }).await;
    world.finish().await;
}

#[tokio::test]
async fn replica_that_is_cut_off_and_believes_it_is_current_is_left() {
    let world = World::start().await;
    world.reads_from_the_replica(true).await;
    let kept = world.replica.sql("show primary_conninfo").await;
    world.replica.sql("alter system set primary_conninfo = ''").await;
    world.replica.sql("select pg_reload_conf()").await;
    world.reads_from_the_replica(false).await;
    let own_idea = "select pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() \
                    and not exists (select from pg_stat_wal_receiver)";
    assert_eq!(world.replica.sql(own_idea).await, "t", "by itself it has nothing left to replay");
    let kept = kept.replace('\'', "''");
    world.replica.sql(&format!("alter system set primary_conninfo = '{kept}'")).await;
    world.replica.sql("select pg_reload_conf()").await;
    world.reads_from_the_replica(true).await;
    world.finish().await;
}

#[tokio::test]
async fn killed_replica_and_missing_beat_cost_no_answer() {
    let mut world = World::start().await;
    world.reads_from_the_replica(true).await;
    world.beating.cancel();
    world.reads_from_the_replica(false).await;
    world.beating = CancellationToken::new();
    world.beat();
    world.reads_from_the_replica(true).await;
    world.replica.kill();
    for _ in 0..5 {
        assert!(!world.read(0).await.0, "answered by the writer at once");
    }
    world.finish().await;
}
