use std::sync::Arc;

use yard_ids::{Clock as _, ManualClock, SystemClock};
use yard_runtime::Runtime;
use yard_testkit::eventually;

use crate::support::{PATIENCE, World};

const YEARLY: &str = "0 0 1 1 *";

/// Whether the scheduler has said when this schedule is due next.
async fn advanced(world: &World, name: &str) -> bool {
    let later = format!(
        "select count(*) from platform.schedules where name = '{name}' \
         and next_fire_at > clock_timestamp()"
    );
    world.number(&later).await == 1
}

#[tokio::test]
async fn built_in_schedules_are_seeded_once_and_keep_what_people_set() {
    let world = World::new().await;
    let service = world.start().await;
    let seeded = "select count(*) from platform.schedules where next_fire_at is not null";
    eventually(PATIENCE, || async { world.number(seeded).await == 3 }).await;
    service.stop().await;
    world.db.sql("update platform.schedules set paused = true, cron = '0 3 * * *' where name = 'partition-maintenance'").await;
    let service = world.start().await;
    // A plan of ours is ours again; that it is paused is the installation's.
    let restored = "select count(*) from platform.schedules where name = 'partition-maintenance' \
                    and paused and cron = '0 2 * * *'";
    eventually(PATIENCE, || async { world.number(restored).await == 1 }).await;
    assert_eq!(world.number("select count(*) from platform.schedules").await, 3);
    service.stop().await;
}

#[tokio::test]
async fn missed_time_is_caught_up_within_the_deadline_and_skipped_beyond() {
    let world = World::new().await;
    world.log.expect("missed by too much");
    world.schedule("late", YEARLY, "clock_timestamp() - interval '1 hour'").await;
    world.schedule("too-late", YEARLY, "clock_timestamp() - interval '25 hours'").await;
    world.schedule("punctual", YEARLY, "clock_timestamp() - interval '1 second'").await;
    let service = world.start().await;
    for name in ["late", "too-late", "punctual"] {
        eventually(PATIENCE, || async { advanced(&world, name).await }).await;
    }
    let causes = "select string_agg(schedule || ' ' || cause, ', ' order by schedule) \
                  from platform.fires where schedule in ('late', 'too-late', 'punctual')";
    assert_eq!(world.db.sql(causes).await, "late catch-up, punctual plan");
    service.stop().await;
}

#[tokio::test]
async fn paused_schedule_does_not_fire() {
    let world = World::new().await;
    world.schedule("resting", YEARLY, "clock_timestamp() - interval '1 second'").await;
    world.db.sql("update platform.schedules set paused = true").await;
    world.schedule("awake", YEARLY, "clock_timestamp() - interval '1 second'").await;
    let service = world.start().await;
    eventually(PATIENCE, || async { world.fires("awake").await == 1 }).await;
    assert_eq!(world.fires("resting").await, 0);
    service.stop().await;
}

#[tokio::test]
async fn clock_that_was_put_back_neither_repeats_nor_delays() {
    let world = World::new().await;
    let due = "date_trunc('second', clock_timestamp()) - interval '1 second'";
    world.schedule("again", YEARLY, due).await;
    // The time that is due was fired before the clock was put back …
    world
        .db
        .sql(
            "insert into platform.fires (id, schedule, planned_at, fired_at, epoch, cause) \
              select gen_random_uuid(), name, next_fire_at, clock_timestamp(), 1, 'plan' \
              from platform.schedules where name = 'again'",
        )
        .await;
    // … and while it was ahead, the next hour was reckoned from the wrong day.
    world.schedule("ahead", "0 * * * *", "clock_timestamp() + interval '10 days'").await;
    let service = world.start().await;
    eventually(PATIENCE, || async { advanced(&world, "again").await }).await;
    let soon = "select count(*) from platform.schedules where name = 'ahead' \
                and next_fire_at < clock_timestamp() + interval '61 minutes'";
    eventually(PATIENCE, || async { world.number(soon).await == 1 }).await;
    assert_eq!(world.fires("again").await, 1);
    assert_eq!(world.wishes().await, 0);
    service.stop().await;
}

#[tokio::test]
async fn wrong_clock_of_the_machine_changes_nothing() {
    let world = World::new().await;
    world.schedule("due", YEARLY, "clock_timestamp() - interval '1 second'").await;
    world.schedule("not-due", YEARLY, "clock_timestamp() + interval '1 hour'").await;
    let clock = Arc::new(ManualClock::new(SystemClock.now() + time::Duration::days(400)));
    let rt = Runtime::builder("scheduler", "0").clock(clock).build();
    scheduler::run(world.config(), rt.clone()).await.unwrap();
    eventually(PATIENCE, || async { world.fires("due").await == 1 }).await;
    assert_eq!(world.fires("not-due").await, 0);
    let late = "select count(*) from platform.fires where fired_at > now() + interval '1 minute'";
    assert_eq!(world.number(late).await, 0);
    assert!(rt.stop(std::time::Duration::ZERO, PATIENCE).await);
}
