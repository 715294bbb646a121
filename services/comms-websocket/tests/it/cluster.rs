//! Who is where, on a Redis cluster: each of its nodes holds a third of the keys and refuses what
//! would touch another's.

use std::time::Duration;

use comms_websocket::RedisConfig;
use serde_json::json;
use yard_testkit::{TestRedis, TestRedisCluster};

use crate::api_client::Server;
use crate::support::{Client, PATIENCE, Service};

/// Enough names that each node holds some.
const ROOMS: usize = 12;

fn room(number: usize) -> String {
    format!("presence-room-{number}")
}

#[tokio::test]
async fn req_icas_28_presence_counts_and_kept_events_stand_on_a_redis_cluster() {
    let cluster = TestRedisCluster::start().await;
    let service = Service::start_with(|config| {
        config.redis = RedisConfig::for_test(&cluster.url());
        config.socket.max_members = 3;
    })
    .await;
    let other = service.another().await;
    let mut here = Client::connect(&service).await;
    let mut there = Client::connect_to(other.address("socket").unwrap().port()).await;
    for number in 0..ROOMS {
        assert_eq!(here.present(&room(number), "1").await, ["1"]);
        assert_eq!(there.present(&room(number), "2").await, ["1", "2"]);
        assert_eq!(here.data("pusher_internal:member_added").await["user_id"], "2");
    }
    let server = Server::of(&service);
    let (status, told) = server.get("/apps/1/channels?filter_by_prefix=presence-").await;
    assert_eq!((status, told["channels"].as_object().unwrap().len()), (200, ROOMS));
    let (status, told) = server.get("/apps/1/channels/presence-room-3/users").await;
    let mut users = told["users"].as_array().unwrap().clone();
    users.sort_by_key(ToString::to_string);
    assert_eq!((status, users), (200, vec![json!({"id": "1"}), json!({"id": "2"})]));
    // A cache channel keeps what was said for who comes later.
    for number in 0..ROOMS {
        let name = format!("cache-{number}");
        let event = json!({"name": "kept", "channel": name, "data": "{}"});
        assert_eq!(server.post("/apps/1/events", &event).await.0, 200);
        let mut late = Client::connect(&service).await;
        late.subscribe(&name, "").await;
        late.expect("pusher_internal:subscription_succeeded").await;
        late.expect("kept").await;
    }
    // An instance that leaves takes its people along.
    assert!(other.stop(Duration::ZERO, PATIENCE).await);
    let mut left = Vec::new();
    while left.len() < ROOMS {
        let removed = here.expect("pusher_internal:member_removed").await;
        left.push(removed["channel"].as_str().unwrap().to_owned());
    }
    left.sort();
    let mut rooms: Vec<String> = (0..ROOMS).map(room).collect();
    rooms.sort();
    assert_eq!(left, rooms);
}

#[tokio::test]
async fn req_lmu_59_redis_that_evicts_is_warned_of_and_refused_where_people_use_it() {
    let redis = TestRedis::start_own().await;
    redis.say("CONFIG SET maxmemory-policy allkeys-lru").await;
    let service = Service::start_with(|config| {
        config.redis = RedisConfig::for_test(redis.url());
    })
    .await;
    service.log.expect("redis evicts keys when its memory is short");
    assert!(service.log.contains("allkeys-lru"));
    let refused = service.another_in("production").await.unwrap_err().to_string();
    assert!(refused.contains("redis.url") && refused.contains("noeviction"), "{refused}");
    redis.say("CONFIG SET maxmemory-policy noeviction").await;
    service.another_in("production").await.unwrap();
}
