//! What is away, cut off or started anew meanwhile; and an unmodified client.

use std::collections::HashSet;
use std::net::ToSocketAddrs as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::routing::post;
use axum::{Form, Json, Router};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;
use yard_runtime::Secret;
use yard_testkit::{ChaosProxy, TestDb};

use super::{ROOM, World, acknowledge, create, got};
use crate::apps::port;
use crate::pusher_js::{is, is_installed, open_with, sees_event};
use crate::support::{Service, tenant};

#[tokio::test]
async fn publish_while_the_database_is_away_is_answered_503_in_time_and_nothing_is_said() {
    let db = TestDb::create().await;
    let tenant = db.tenant(tenant(), "shop").await;
    let mut postgres = db.config("yard_comms");
    let url = db.url("yard_comms");
    let host = url.split_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
    let upstream = host.to_socket_addrs().unwrap().next().unwrap();
    let proxy = ChaosProxy::start(upstream).unwrap();
    postgres.url = Secret::new(url.replacen(&host, &proxy.addr().to_string(), 1));
    let service = Service::start_with(|config| {
        config.postgres = postgres;
        config.confirmed.look = Duration::from_millis(200);
        config.api.patience = Duration::from_millis(1_000);
    })
    .await;
    service.log.expect("confirmed messages wait for the database");
    // A server that hangs up before it has said anything is a fault of the protocol to the driver.
    service.log.expect("a confirmed message was not written down");
    let app = create(&service, tenant).await;
    let world = World { service, tenant, app, db };
    let mut client = world.present(ROOM, "1").await;
    let before = world.confirm(ROOM, 1, json!({"level": "app", "to": ["1"]})).await;
    assert_eq!(got(&mut client).await.id, before);

    proxy.cut();
    let body = json!({"name": "order", "channel": ROOM, "data": "{}",
        "confirm": {"level": "app", "to": ["1"]}});
    let began = Instant::now();
    let (status, answer) = world.publish(&body).await;
    assert_eq!(status, 503, "{answer}");
    // A busy machine's slack is in it; the next longer wait is for a connection, 15 seconds.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    // What is acknowledged meanwhile is written later.
    acknowledge(&mut client, ROOM, &[&before]).await;
    client.quiet().await;
    proxy.restore();
    world.becomes(&before, "1", "acknowledged").await;
    let after = world.confirm(ROOM, 2, json!({"level": "app", "to": ["1"]})).await;
    let next = got(&mut client).await;
    assert_eq!((next.id, next.seq), (after, 2));
}

#[tokio::test]
async fn publish_while_the_broker_is_away_is_taken_and_found_by_the_look_of_another_instance() {
    let mut world = World::with(|config| config.confirmed.look = Duration::from_millis(200)).await;
    world.service.log.expect("broker connection lost");
    world.service.log.expect("who came or left could not be told");
    let other = world.service.another().await;
    let mut here = world.present(ROOM, "1").await;
    let mut there = world.present_at(port(&other), ROOM, "2").await;
    here.expect("pusher_internal:member_added").await;
    world.service.nats.kill();
    let ids = [
        world.confirm(ROOM, 1, json!({"level": "app", "to": ["1", "2"]})).await,
        world.confirm(ROOM, 2, json!({"level": "app", "to": ["1", "2"]})).await,
    ];
    for id in &ids {
        assert_eq!(&got(&mut here).await.id, id);
        assert_eq!(&got(&mut there).await.id, id);
    }
    world.service.nats.start_again();
}

#[tokio::test]
async fn recipient_with_sockets_at_two_instances_gets_it_at_both_and_acknowledges_it_once() {
    let world = World::with(|config| {
        config.confirmed.resend_first = Duration::from_millis(500);
        config.confirmed.resend_most = Duration::from_millis(500);
    })
    .await;
    let other = world.service.another().await;
    let mut here = world.present(ROOM, "1").await;
    let mut there = world.present_at(port(&other), ROOM, "1").await;
    let id = world.confirm(ROOM, 1, json!({"level": "app", "to": ["1"]})).await;
    assert_eq!(got(&mut here).await.id, id);
    assert_eq!(got(&mut there).await.id, id);
    acknowledge(&mut there, ROOM, &[&id]).await;
    world.becomes(&id, "1", "acknowledged").await;
    let next = world.confirm(ROOM, 2, json!({"level": "app", "to": ["1"]})).await;
    // A second copy may have been on its way already.
    while got(&mut here).await.id != next {}
    // By now the first would have come again.
    assert_eq!(got(&mut here).await.id, next);
}

#[tokio::test]
async fn message_that_was_taken_before_a_restart_is_delivered_after_it() {
    let world = World::new().await;
    let id = world.confirm(ROOM, 1, json!({"level": "app", "to": ["1"]})).await;
    assert!(world.service.stop().await);
    let again = world.service.another().await;
    let mut client = world.present_at(port(&again), ROOM, "1").await;
    assert_eq!(got(&mut client).await.id, id);
}

#[tokio::test]
async fn recipient_who_is_cut_off_again_and_again_gets_everything_in_order() {
    const MESSAGES: i64 = 80;
    let world = World::with(|config| config.confirmed.in_flight = 8).await;
    let publishing = async {
        for n in 1..=MESSAGES {
            let n = u32::try_from(n).unwrap();
            world.confirm(ROOM, n, json!({"level": "app", "to": ["1"]})).await;
        }
    };
    let receiving = async {
        // A fixed sequence, so that a failure comes again.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let (mut first_seen, mut ids) = (Vec::new(), HashSet::new());
        while first_seen.len() < usize::try_from(MESSAGES).unwrap() {
            let mut client = world.present(ROOM, "1").await;
            let (reads, acknowledges) = (random(12) + 1, random(4) > 0);
            let mut last = 0;
            for _ in 0..reads {
                let Ok(got) = timeout(Duration::from_millis(500), got(&mut client)).await else {
                    break;
                };
                assert!(got.seq > last, "{} behind {last}", got.seq);
                last = got.seq;
                if ids.insert(got.id.clone()) {
                    first_seen.push(got.seq);
                }
                if acknowledges {
                    acknowledge(&mut client, ROOM, &[&got.id]).await;
                }
            }
            // Cut off without a word, whatever is on its way.
            drop(client);
        }
        first_seen
    };
    let ((), first_seen) = tokio::join!(publishing, receiving);
    assert_eq!(first_seen, (1..=MESSAGES).collect::<Vec<_>>());
}

#[derive(Deserialize)]
struct Wish {
    socket_id: String,
    channel_name: String,
}

#[tokio::test]
async fn unmodified_pusher_js_acknowledges_by_its_stack_and_by_a_client_event() {
    if !is_installed() {
        return;
    }
    let world = World::new().await;
    let app = Arc::new(world.app.clone());
    let sign = move |Form(wish): Form<Wish>| async move {
        let channel_data = json!({"user_id": "1"}).to_string();
        let text = format!("{}:{}:{channel_data}", wish.socket_id, wish.channel_name);
        Json(json!({"auth": app.sign(&text), "channel_data": channel_data}))
    };
    let router = Router::new().route("/broadcasting/auth", post(sign));
    let mut page = open_with(&world.service, &world.app.key, router).await;
    is(&mut page, "connected").await;
    page.tell(&format!("subscribe {ROOM}")).await;
    sees_event(&mut page, "pusher:subscription_succeeded").await;
    let transport = world.confirm(ROOM, 1, json!({"level": "transport"})).await;
    assert_eq!(sees_event(&mut page, "order").await["data"], json!({"n": 1}));
    world.becomes(&transport, "1", "acknowledged").await;
    page.tell(&format!("acknowledge {ROOM}")).await;
    let by_code = world.confirm(ROOM, 2, json!({"level": "app"})).await;
    assert_eq!(sees_event(&mut page, "order").await["data"], json!({"n": 2}));
    world.becomes(&by_code, "1", "acknowledged").await;
}
