//! The Rust client (crates/yard-realtime-client) against running instances.

use std::time::Duration;

use serde_json::json;
use yard_realtime_client::{AppSecret, Client, Event, Events, SayError, Settings, connect};

use crate::api_client::Server;
use crate::balancer::Balancer;
use crate::support::{KEY, PATIENCE, SECRET, Service};

const ROOM: &str = "private-kept.room";

async fn keeping() -> Service {
    Service::start_with(|config| {
        config.socket.recoverable_prefixes = vec!["private-kept.".to_owned()];
        config.socket.client_events = true;
    })
    .await
}

fn open(service: &Service, port: u16) -> (Client, Events) {
    let mut settings = Settings::new(&format!("ws://127.0.0.1:{port}"), KEY);
    settings.pause = Duration::from_millis(50);
    let (client, events, driver) = connect(settings, AppSecret::new(KEY, SECRET.as_bytes()));
    service.rt.tasks().spawn_request(driver.run());
    (client, events)
}

async fn next(events: &mut Events) -> Event {
    tokio::time::timeout(PATIENCE, events.next()).await.expect("an event in time").expect("open")
}

/// The number and the place of the next event that was published.
async fn said(events: &mut Events) -> (u64, u64) {
    loop {
        if let Event::Said(said) = next(events).await {
            return (said.data.as_u64().unwrap(), said.position.unwrap().offset);
        }
    }
}

async fn say(server: &Server<'_>, n: u64) {
    let event = json!({"name": "said", "channel": ROOM, "data": n.to_string()});
    assert_eq!(server.post("/apps/1/events", &event).await.0, 200);
}

#[tokio::test]
async fn client_that_is_cut_off_again_and_again_hears_all_once_and_in_order() {
    let service = keeping().await;
    let server = Server::of(&service);
    let balancer = Balancer::start(&service, [service.port(), service.port()]).await;
    let (client, mut events) = open(&service, balancer.port());
    client.subscribe(ROOM).await;
    while !matches!(next(&mut events).await, Event::Subscribed { .. }) {}
    let speaking = async {
        for n in 1..=120 {
            if n % 30 == 0 {
                balancer.cut();
            }
            say(&server, n).await;
        }
    };
    let hearing = async {
        for n in 1..=120 {
            assert_eq!(said(&mut events).await, (n, n));
        }
    };
    tokio::join!(speaking, hearing);
}

#[tokio::test]
async fn client_of_an_instance_that_stops_goes_on_at_another_where_it_stood() {
    let service = keeping().await;
    let server = Server::of(&service);
    let other = service.another().await;
    // A name with the other instance's port is what a balancer would be.
    let port = other.address("socket").unwrap().port();
    let balancer = Balancer::start(&service, [port, service.port()]).await;
    let (client, mut events) = open(&service, balancer.port());
    client.subscribe(ROOM).await;
    while !matches!(next(&mut events).await, Event::Subscribed { .. }) {}
    say(&server, 1).await;
    assert_eq!(said(&mut events).await, (1, 1));
    let stopping = other.stop(Duration::ZERO, PATIENCE);
    let speaking = async {
        for n in 2..=50 {
            say(&server, n).await;
        }
    };
    let hearing = async {
        for n in 2..=50 {
            assert_eq!(said(&mut events).await, (n, n));
        }
    };
    let (stopped, (), ()) = tokio::join!(stopping, speaking, hearing);
    assert!(stopped);
}

#[tokio::test]
async fn word_of_a_client_is_kept_where_its_answer_says_and_a_refusal_says_why() {
    let service = keeping().await;
    let (client, mut events) = open(&service, service.port());
    client.subscribe(ROOM).await;
    while !matches!(next(&mut events).await, Event::Subscribed { .. }) {}
    let position = client.say(ROOM, "client-said", json!({"a": 1})).await.unwrap();
    assert_eq!(position.offset, 1);
    let refused = client.say(ROOM, "client-said", json!({"a": "x".repeat(10_240)})).await;
    assert_eq!(refused, Err(SayError::Refused("the event's data is too large".to_owned())));
    let refused = client.say(ROOM, "client-said", json!("no object")).await;
    assert!(matches!(refused, Err(SayError::Refused(_))));
}

#[tokio::test]
async fn client_of_an_app_that_is_not_there_ends_and_does_not_come_back() {
    let service = keeping().await;
    let settings = Settings::new(&format!("ws://127.0.0.1:{}", service.port()), "nobody");
    let (_client, mut events, driver) = connect(settings, AppSecret::new("nobody", b"x"));
    driver.run().await;
    assert!(matches!(next(&mut events).await, Event::Ended { code: 4001, .. }));
    assert_eq!(events.next().await, None);
}
