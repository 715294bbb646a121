//! Presence channels: who is in them, over all instances.

use std::time::Duration;

use comms_websocket::RedisConfig;
use serde_json::{Value, json};
use yard_testkit::{TestRedis, eventually};

use crate::support::{Client, PATIENCE, Service, sign};

const ROOM: &str = "presence-room";

#[tokio::test]
async fn somebody_is_announced_once_and_leaves_with_their_last_socket() {
    let service = Service::start().await;
    let mut watcher = Client::connect(&service).await;
    assert_eq!(watcher.present(ROOM, "1").await, ["1"]);
    let mut first = Client::connect(&service).await;
    assert_eq!(first.present(ROOM, "2").await, ["1", "2"]);
    let added = watcher.data("pusher_internal:member_added").await;
    assert_eq!(added, json!({"user_id": "2", "user_info": {"name": "n2"}}));
    let mut second = Client::connect(&service).await;
    assert_eq!(second.present(ROOM, "2").await, ["1", "2"]);
    drop(first);
    watcher.quiet().await;
    second.send(&json!({"event": "pusher:unsubscribe", "data": {"channel": ROOM}})).await;
    let removed = watcher.data("pusher_internal:member_removed").await;
    assert_eq!(removed, json!({"user_id": "2"}));
    second.quiet().await;
}

#[tokio::test]
async fn people_on_two_instances_see_each_other() {
    let service = Service::start().await;
    let other = service.another().await;
    let mut here = Client::connect(&service).await;
    here.present(ROOM, "1").await;
    let mut there = Client::connect_to(other.address("socket").unwrap().port()).await;
    assert_eq!(there.present(ROOM, "2").await, ["1", "2"]);
    assert_eq!(here.data("pusher_internal:member_added").await["user_id"], "2");
    let mut third = Client::connect(&service).await;
    assert_eq!(third.present(ROOM, "3").await, ["1", "2", "3"]);
    assert_eq!(there.data("pusher_internal:member_added").await["user_id"], "3");
    assert_eq!(here.data("pusher_internal:member_added").await["user_id"], "3");
    // A soft stop of an instance takes its people along.
    assert!(other.stop(Duration::ZERO, PATIENCE).await);
    assert_eq!(here.data("pusher_internal:member_removed").await["user_id"], "2");
}

#[tokio::test]
async fn many_who_come_and_go_at_once_are_told_of_without_gap_or_double() {
    let service = Service::start().await;
    let other = service.another().await;
    let ports = [service.port(), other.address("socket").unwrap().port()];
    let mut watcher = Client::connect(&service).await;
    watcher.present(ROOM, "w").await;
    let comers = (0..40).map(|n| async move {
        let mut client = Client::connect_to(ports[n % 2]).await;
        // Everybody is there twice.
        let roster = client.present(ROOM, &format!("{}", n / 2)).await;
        (client, roster)
    });
    let clients = futures::future::join_all(comers).await;
    for (client, roster) in &clients {
        assert!(roster.len() >= 2 && roster.contains(&"w".to_owned()), "{}", client.socket_id);
    }
    let mut added = ids(&mut watcher, "pusher_internal:member_added", 20).await;
    added.sort_by_key(|id| id.parse::<u32>().unwrap());
    assert_eq!(added, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    drop(clients);
    let mut removed = ids(&mut watcher, "pusher_internal:member_removed", 20).await;
    removed.sort_by_key(|id| id.parse::<u32>().unwrap());
    assert_eq!(removed, added);
    watcher.quiet().await;
}

/// The ids of the next so many events, all of which have to be this one.
async fn ids(client: &mut Client, event: &str, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(client.data(event).await["user_id"].as_str().unwrap().to_owned());
    }
    ids
}

#[tokio::test]
async fn killed_instance_s_people_leave_within_fifteen_seconds() {
    let service = Service::start().await;
    let (mut process, port) = service.another_process().await;
    let mut watcher = Client::connect(&service).await;
    watcher.present(ROOM, "1").await;
    let mut doomed = Client::connect_to(port).await;
    doomed.present(ROOM, "2").await;
    let mut also_here = Client::connect(&service).await;
    also_here.present(ROOM, "3").await;
    let mut doomed_too = Client::connect_to(port).await;
    doomed_too.present(ROOM, "3").await;
    for id in ["2", "3"] {
        assert_eq!(watcher.data("pusher_internal:member_added").await["user_id"], id);
    }
    process.kill().await.unwrap();
    let noticed = || async { service.log.contains("taking back what an instance") };
    eventually(Duration::from_secs(15), noticed).await;
    assert_eq!(watcher.data("pusher_internal:member_removed").await["user_id"], "2");
    // Who has another socket elsewhere stays.
    watcher.quiet().await;
}

#[tokio::test]
async fn redis_that_lost_everything_is_told_anew() {
    let service = Service::start().await;
    let mut first = Client::connect(&service).await;
    first.present(ROOM, "1").await;
    service.redis.lose_everything().await;
    let mut joins = 0;
    eventually(PATIENCE, || {
        joins += 1;
        let user = format!("late-{joins}");
        let service = &service;
        async move {
            let mut late = Client::connect(service).await;
            late.present(ROOM, &user).await.contains(&"1".to_owned())
        }
    })
    .await;
}

#[tokio::test]
async fn presence_channel_takes_no_more_people_than_it_may() {
    let service = Service::start_with(|config| config.socket.max_members = 2).await;
    let mut clients = Vec::new();
    for user in ["1", "2"] {
        let mut client = Client::connect(&service).await;
        client.present(ROOM, user).await;
        clients.push(client);
    }
    let mut third = Client::connect(&service).await;
    third.join(ROOM, Some(r#"{"user_id":"3"}"#)).await;
    let refused = third.expect("pusher:subscription_error").await;
    assert_eq!((&refused["data"]["status"], &refused["channel"]), (&json!(403), &json!(ROOM)));
    // Somebody who is in it may come again, and a place that becomes free is free.
    let mut again = Client::connect(&service).await;
    again.present(ROOM, "2").await;
    drop(clients.remove(0));
    let mut first = clients.remove(0);
    while first.next().await["event"] != "pusher_internal:member_removed" {}
    third.present(ROOM, "3").await;
}

#[tokio::test]
async fn who_somebody_is_has_to_be_signed_and_sound() {
    let service = Service::start().await;
    let long = json!({"user_id": "x".repeat(129)}).to_string();
    let large = json!({"user_id": "1", "user_info": "x".repeat(1_023)}).to_string();
    let mut client = Client::connect(&service).await;
    for data in ["{}", r#"{"user_id":null}"#, r#"{"user_id":""}"#, "[]", "x", &long, &large] {
        client.join(ROOM, Some(data)).await;
        let refused = client.expect("pusher:subscription_error").await;
        assert_eq!(refused["data"]["status"], 401, "{data}");
    }
    // Signed without the data that is sent, and without any.
    let auth = sign(&format!("{}:{ROOM}", client.socket_id));
    for data in [json!(r#"{"user_id":"1"}"#), Value::Null] {
        let wish = json!({"channel": ROOM, "auth": auth, "channel_data": data});
        client.send(&json!({"event": "pusher:subscribe", "data": wish})).await;
        client.expect("pusher:subscription_error").await;
    }
    // Numbers are ids too, and told as texts; at their edges both limits are met.
    let edge = json!({"user_id": "x".repeat(128), "user_info": "x".repeat(1_022)}).to_string();
    client.join(ROOM, Some(&edge)).await;
    client.expect("pusher_internal:subscription_succeeded").await;
    let mut number = Client::connect(&service).await;
    number.join(ROOM, Some(r#"{"user_id":7}"#)).await;
    let roster = number.data("pusher_internal:subscription_succeeded").await;
    assert!(roster["presence"]["hash"].get("7").is_some(), "{roster}");
    // Asking twice is answered twice and changes nothing.
    number.join(ROOM, Some(r#"{"user_id":7}"#)).await;
    number.expect("pusher_internal:subscription_succeeded").await;
    assert_eq!(client.data("pusher_internal:member_added").await["user_id"], "7");
    client.quiet().await;
}

#[tokio::test]
async fn join_without_redis_is_refused_where_it_needs_it() {
    let service = Service::start_with(|config| {
        config.redis = RedisConfig::for_test("redis://127.0.0.1:1");
    })
    .await;
    service.log.expect("a join could not be answered").expect("edis");
    let mut client = Client::connect(&service).await;
    client.join(ROOM, Some(r#"{"user_id":"1"}"#)).await;
    let refused = client.expect("pusher:subscription_error").await;
    assert_eq!(refused["data"]["status"], 503);
    // What needs nobody's memory goes on, and nothing is left of what was refused.
    client.subscribe("news", "").await;
    client.expect("pusher_internal:subscription_succeeded").await;
    client.join(ROOM, Some(r#"{"user_id":"1"}"#)).await;
    client.expect("pusher:subscription_error").await;
}

#[tokio::test]
async fn redis_that_was_killed_and_comes_back_finds_everybody_where_they_are() {
    let mut redis = TestRedis::start_own().await;
    let service = Service::start_with(|config| {
        config.redis = RedisConfig::for_test(redis.url());
    })
    .await;
    // Joins while it is away, and no more than those.
    service.log.expect("a join could not be answered");
    let other = service.another().await;
    let mut here = Client::connect(&service).await;
    here.present(ROOM, "1").await;
    let mut there = Client::connect_to(other.address("socket").unwrap().port()).await;
    there.present(ROOM, "2").await;
    assert_eq!(here.data("pusher_internal:member_added").await["user_id"], "2");
    redis.kill();
    // Who comes meanwhile is told so; who is here stays and hears; who leaves is gone.
    let mut turned_away = Client::connect(&service).await;
    turned_away.join(ROOM, Some(r#"{"user_id":"3"}"#)).await;
    let refused = turned_away.expect("pusher:subscription_error").await;
    assert_eq!(refused["data"]["status"], 503);
    drop(there);
    here.send(&json!({"event": "pusher:ping", "data": {}})).await;
    here.expect("pusher:pong").await;
    redis.start_again();
    // Once, whatever was tried meanwhile.
    let removed = here.data("pusher_internal:member_removed").await;
    assert_eq!(removed["user_id"], "2");
    eventually(PATIENCE, || async {
        let mut late = Client::connect(&service).await;
        late.join(ROOM, Some(r#"{"user_id":"4"}"#)).await;
        let answer = late.next().await;
        if answer["event"] != "pusher_internal:subscription_succeeded" {
            return false;
        }
        let roster: Value = serde_json::from_str(answer["data"].as_str().unwrap()).unwrap();
        assert_eq!(roster["presence"]["ids"], json!(["1", "4"]));
        true
    })
    .await;
    assert_eq!(here.data("pusher_internal:member_added").await["user_id"], "4");
    assert_eq!(here.data("pusher_internal:member_removed").await["user_id"], "4");
    here.quiet().await;
}
