use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;
use yard_contracts::job::v1::{JobState, ListJobsRequest, ListQueuesRequest};
use yard_contracts::streams;
use yard_testkit::eventually;

use crate::support::{PATIENCE, World, device, id, record};

/// Keeps the job "partition-maintenance" from going on until it is dropped.
async fn hold_partitions(world: &World) -> PgConnection {
    let mut holder = PgConnection::connect(&world.db.admin_url()).await.unwrap();
    sqlx::query("select pg_advisory_lock(7203, 2)").execute(&mut holder).await.unwrap();
    holder
}

async fn job(world: &World, job: Uuid) -> String {
    let row = format!("select state, attempt from platform.jobs where id = '{job}'");
    world.db.sql(&row).await
}

#[tokio::test]
async fn wish_that_is_sent_twice_is_one_job() {
    let world = World::new().await;
    let service = world.start().await;
    let wanted = id();
    for _ in 0..2 {
        world.wish(wanted, "partition-maintenance").await;
    }
    eventually(PATIENCE, || async { job(&world, wanted).await == "completed|1" }).await;
    eventually(PATIENCE, || async { world.in_stream(streams::JOBS.name).await == 0 }).await;
    assert_eq!(world.db.sql("select count(*) from platform.jobs").await, "1");
    service.stop().await;
}

#[tokio::test]
async fn wish_of_an_unknown_kind_goes_to_the_dead_letters() {
    let world = World::new().await;
    world.log.expect("moved to the dead letters");
    let service = world.start().await;
    world.wish(id(), "make-coffee").await;
    eventually(PATIENCE, || async { world.in_stream(streams::DLQ.name).await == 1 }).await;
    assert_eq!(world.db.sql("select count(*) from platform.jobs").await, "0");
    service.stop().await;
}

#[tokio::test]
async fn job_of_a_killed_worker_is_taken_over_after_its_lease() {
    let world = World::new().await;
    world.log.expect("jobs of lost workers");
    let victim = world.start_victim().await;
    let (first, wanted) = (id(), id());
    // Once a job has run, the victim's own start is over.
    world.wish(first, "partition-maintenance").await;
    eventually(PATIENCE, || async { job(&world, first).await == "completed|1" }).await;
    let holder = hold_partitions(&world).await;
    world.wish(wanted, "partition-maintenance").await;
    eventually(PATIENCE, || async { job(&world, wanted).await == "running|1" }).await;
    victim.kill();
    let service = world.start().await;
    eventually(PATIENCE, || async { job(&world, wanted).await == "running|2" }).await;
    holder.close().await.unwrap();
    eventually(PATIENCE, || async { job(&world, wanted).await == "completed|2" }).await;
    service.stop().await;
}

#[tokio::test]
async fn result_of_a_lost_lease_is_dropped() {
    let world = World::new().await;
    world.log.expect("its result is dropped").expect("jobs of lost workers");
    let service = world.start().await;
    let holder = hold_partitions(&world).await;
    let wanted = id();
    world.wish(wanted, "partition-maintenance").await;
    eventually(PATIENCE, || async { job(&world, wanted).await == "running|1" }).await;
    // Another worker holds it from now on, as far as this one can know.
    let take = "update platform.jobs set lease_token = gen_random_uuid(), \
                lease_until = clock_timestamp() + interval '1 hour'";
    world.db.sql(take).await;
    holder.close().await.unwrap();
    let again = id();
    world.wish(again, "partition-maintenance").await;
    eventually(PATIENCE, || async { job(&world, again).await == "completed|1" }).await;
    assert_eq!(job(&world, wanted).await, "running|1");
    service.stop().await;
}

#[tokio::test]
async fn job_that_was_lost_too_often_is_dead() {
    let world = World::new().await;
    world.log.expect("jobs of lost workers");
    let lost = id();
    let insert = format!(
        "insert into platform.jobs (id, queue, kind, state, arguments, attempt, lease_token, \
         lease_until, requested_at) values ('{lost}', 'default', 'partition-maintenance', \
         'running', '{{}}', 5, gen_random_uuid(), now() - interval '1 s', now())"
    );
    world.db.sql(&insert).await;
    let service = world.start().await;
    eventually(PATIENCE, || async { job(&world, lost).await == "dead|5" }).await;
    service.stop().await;
}

#[tokio::test]
async fn history_older_than_a_week_is_deleted() {
    let world = World::new().await;
    let insert = "insert into platform.jobs (id, queue, kind, state, arguments, requested_at, \
                  finished_at) select gen_random_uuid(), 'default', 'job-history-cleanup', \
                  'completed', '{}', now(), now() - make_interval(days => n) \
                  from generate_series(1, 10) as n";
    world.db.sql(insert).await;
    let service = world.start().await;
    let cleanup = id();
    world.wish(cleanup, "job-history-cleanup").await;
    eventually(PATIENCE, || async { job(&world, cleanup).await == "completed|1" }).await;
    // Six days are within the week, the seventh is over, and the cleanup itself.
    assert_eq!(world.db.sql("select count(*) from platform.jobs").await, "7");
    service.stop().await;
}

#[tokio::test]
async fn jobs_are_listed_newest_first_by_pages_and_state() {
    let world = World::new().await;
    let insert = "insert into platform.jobs (id, queue, kind, state, arguments, requested_at, \
                  run_at, created_at) select gen_random_uuid(), 'default', 'job-history-cleanup', \
                  'available', '{}', now(), now() + interval '1 day', \
                  now() - make_interval(secs => n) from generate_series(1, 25) as n";
    world.db.sql(insert).await;
    world.db.sql("update platform.jobs set state = 'dead' where id in (select id from platform.jobs order by created_at limit 5)").await;
    let service = world.start().await;
    let mut client = service.jobs();
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let asked = ListJobsRequest { page_size: 10, page_token: token, state: 0 };
        let page = client.list_jobs(world.ops(asked)).await.unwrap().into_inner();
        found.extend(page.jobs);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(found.len(), 25);
    let created = |job: &yard_contracts::job::v1::Job| job.created_at.unwrap().seconds;
    assert!(found.windows(2).all(|pair| created(&pair[0]) >= created(&pair[1])));
    let asked = ListJobsRequest { state: JobState::Dead.into(), ..ListJobsRequest::default() };
    let dead = client.list_jobs(world.ops(asked)).await.unwrap().into_inner();
    assert_eq!(dead.jobs.len(), 5);
    let tenant = world.tenant("acme").await;
    let refused = client.list_jobs(world.of(tenant, ListJobsRequest::default())).await;
    assert_eq!(refused.unwrap_err().code(), tonic::Code::PermissionDenied);
    service.stop().await;
}

#[tokio::test]
async fn queues_show_what_waits_in_broker_and_table() {
    let world = World::new().await;
    let (tenant, device) = (world.tenant("acme").await, device());
    let service = world.start().await;
    let mut client = service.jobs();
    let insert = "insert into platform.jobs (id, queue, kind, state, arguments, requested_at, \
                  run_at) select gen_random_uuid(), 'default', 'job-history-cleanup', \
                  'available', '{}', now() - interval '1 minute', now() + interval '1 day' \
                  from generate_series(1, 3)";
    world.db.sql(insert).await;
    let records: Vec<_> = (1..=5).map(|n| record(tenant, device, n)).collect();
    world.publish(&records).await;
    world.drained().await;
    let answer = client.list_queues(world.ops(ListQueuesRequest {})).await.unwrap().into_inner();
    let names: Vec<_> = answer.queues.iter().map(|queue| queue.name.as_str()).collect();
    assert_eq!(names, ["telemetry", "default", "ingest"]);
    let depths: Vec<_> = answer.queues.iter().map(|queue| queue.depth).collect();
    assert_eq!(depths, [0, 3, 0]);
    assert!(answer.queues[1].oldest_age_ms >= 60_000);
    service.stop().await;
}
