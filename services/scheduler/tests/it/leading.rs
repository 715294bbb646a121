use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;
use yard_pg::PostgresConfig;
use yard_testkit::{ChaosProxy, eventually};

use crate::support::{PATIENCE, TTL, World};

const YEARLY: &str = "0 0 1 1 *";
const JUST_DUE: &str = "clock_timestamp() - interval '2 seconds'";

#[tokio::test]
async fn two_schedulers_fire_once() {
    let world = World::new().await;
    let (one, two) = (world.start().await, world.start().await);
    eventually(PATIENCE, || async {
        world.number("select count(*) from platform.leases").await == 1
    })
    .await;
    for name in ["a", "b", "c"] {
        world.schedule(name, YEARLY, JUST_DUE).await;
    }
    let fires = "select count(*) from platform.fires where schedule in ('a', 'b', 'c')";
    eventually(PATIENCE, || async { world.number(fires).await == 3 }).await;
    eventually(PATIENCE, || async { world.wishes().await == 3 }).await;
    let epochs = "select count(distinct epoch) from platform.fires";
    assert_eq!(world.number(epochs).await, 1);
    one.stop().await;
    two.stop().await;
    assert_eq!(world.number(fires).await, 3);
}

#[tokio::test]
async fn killed_leader_is_replaced_after_its_lease_and_nothing_fires_twice() {
    let world = World::new().await;
    let victim = world.start_victim().await;
    let first = world.leads(&victim.instance).await;
    let heir = world.start().await;
    world.schedule("before", YEARLY, JUST_DUE).await;
    eventually(PATIENCE, || async { world.fires("before").await == 1 }).await;
    victim.kill();
    let killed = Instant::now();
    world.schedule("after", YEARLY, JUST_DUE).await;
    let second = world.leads(heir.rt.instance()).await;
    assert_eq!(second, first + 1);
    assert!(killed.elapsed() >= TTL - Duration::from_millis(700), "{:?}", killed.elapsed());
    eventually(PATIENCE, || async { world.fires("after").await == 1 }).await;
    eventually(PATIENCE, || async { world.wishes().await == 2 }).await;
    let epoch = "select epoch from platform.fires where schedule = 'after'";
    assert_eq!(world.number(epoch).await, second);
    assert_eq!(world.fires("before").await, 1);
    heir.stop().await;
}

#[tokio::test]
async fn leader_that_stops_hands_over_without_waiting() {
    let world = World::new().await;
    let first = world.start().await;
    let epoch = world.leads(first.rt.instance()).await;
    let second = world.start().await;
    first.stop().await;
    let stopped = Instant::now();
    assert_eq!(world.leads(second.rt.instance()).await, epoch + 1);
    assert!(stopped.elapsed() < TTL, "{:?}", stopped.elapsed());
    second.stop().await;
}

#[tokio::test]
async fn leader_cut_from_the_database_steps_down_and_another_leads() {
    let world = World::new().await;
    // Cut away: whatever asks the database says so.
    let cut = ["lease not confirmed", "outbox waits", "query failed", "does not answer"];
    for part in cut {
        world.log.expect(part);
    }
    let direct = world.db.url("yard_scheduler");
    let (head, tail) = direct.split_once("@127.0.0.1:").unwrap();
    let (port, database) = tail.split_once('/').unwrap();
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse::<u16>().unwrap()));
    let proxy = ChaosProxy::start(upstream).unwrap();
    let mut config = world.config();
    config.postgres = PostgresConfig::for_test(&format!("{head}@{}/{database}", proxy.addr()));
    let cut_off = world.start_with(config).await;
    let epoch = world.leads(cut_off.rt.instance()).await;
    let other = world.start().await;
    proxy.cut();
    assert_eq!(world.leads(other.rt.instance()).await, epoch + 1);
    world.schedule("meanwhile", YEARLY, JUST_DUE).await;
    eventually(PATIENCE, || async { world.fires("meanwhile").await == 1 }).await;
    proxy.restore();
    // Back again, it follows: the other's lease is renewed and the epoch stays.
    world.schedule("later", YEARLY, JUST_DUE).await;
    eventually(PATIENCE, || async { world.fires("later").await == 1 }).await;
    let epochs = "select count(distinct epoch) from platform.fires where schedule in \
                  ('meanwhile', 'later')";
    assert_eq!(world.number(epochs).await, 1);
    cut_off.stop().await;
    other.stop().await;
}
