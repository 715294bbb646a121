//! Pusher's HTTP API: what is published is heard, what is asked is answered, and each refusal has its
//! status.

use std::time::{Duration, Instant};

use comms_websocket::RedisConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use yard_testkit::eventually;

use crate::api_client::{Server, signed};
use crate::support::{Client, KEY, PATIENCE, SECRET, Service};

async fn joined(service: &Service, channel: &str) -> Client {
    let mut client = Client::connect(service).await;
    client.subscribe(channel, "").await;
    client.expect("pusher_internal:subscription_succeeded").await;
    client
}

fn event(channel: &str, data: &str) -> Value {
    json!({"name": "order.shipped", "channels": [channel], "data": data})
}

#[tokio::test]
async fn published_event_is_heard_by_all_in_its_channels_but_the_socket_that_sent_it() {
    let service = Service::start().await;
    let server = Server::of(&service);
    let mut one = joined(&service, "orders").await;
    let mut two = joined(&service, "returns").await;
    let body = json!({
        "name": "order.shipped", "data": "{\"n\": 1.50}", "channels": ["orders", "returns", "empty"],
        "socket_id": one.socket_id, "of_a_later_version": true,
    });
    assert_eq!(server.post("/apps/1/events", &body).await, (200, json!({})));
    let heard = two.expect("order.shipped").await;
    assert_eq!((&heard["channel"], &heard["data"]), (&json!("returns"), &json!("{\"n\": 1.50}")));
    one.quiet().await;
    // Data is a text, and no more than that.
    for data in ["", "not json", "\"", "ä\n\u{1F69A}"] {
        let (status, _) = server.post("/apps/1/events", &event("orders", data)).await;
        assert_eq!(status, 200);
        assert_eq!(one.expect("order.shipped").await["data"], data);
    }
}

#[tokio::test]
async fn batch_is_heard_in_its_order_and_one_wrong_event_says_nothing() {
    let service = Service::start().await;
    let server = Server::of(&service);
    let mut client = joined(&service, "orders").await;
    let one = |n: usize| json!({"name": "n", "channel": "orders", "data": n.to_string()});
    let batch: Vec<Value> = (0..10).map(one).collect();
    let (status, told) = server.post("/apps/1/batch_events", &json!({"batch": batch})).await;
    assert_eq!((status, told), (200, json!({})));
    for n in 0..10 {
        assert_eq!(client.expect("n").await["data"], n.to_string());
    }
    let wrong = json!({"name": "n", "channel": "a b", "data": ""});
    let (status, _) = server.post("/apps/1/batch_events", &json!({"batch": [one(1), wrong]})).await;
    assert_eq!(status, 400);
    client.quiet().await;
}

#[tokio::test]
async fn answers_tell_how_channels_stand() {
    let service = Service::start().await;
    let server = Server::of(&service);
    let mut clients = Vec::new();
    for user in ["7", "8", "7"] {
        let mut client = Client::connect(&service).await;
        client.present("presence-room", user).await;
        clients.push(client);
    }
    clients.push(joined(&service, "orders").await);
    let counts = json!({"user_count": 2, "subscription_count": 3});
    let asked = "/apps/1/channels/presence-room?info=user_count,subscription_count";
    eventually(PATIENCE, || async { server.get(asked).await.1["subscription_count"] == 3 }).await;

    let told = server.get(asked).await;
    assert_eq!(told, (200, json!({"occupied": true, "user_count": 2, "subscription_count": 3})));
    let told = server.get("/apps/1/channels/presence-room/users").await;
    assert_eq!(told, (200, json!({"users": [{"id": "7"}, {"id": "8"}]})));
    let told = server.get("/apps/1/channels").await;
    assert_eq!(told, (200, json!({"channels": {"orders": {}, "presence-room": {}}})));
    let told = server.get("/apps/1/channels?filter_by_prefix=presence-&info=user_count").await;
    assert_eq!(told, (200, json!({"channels": {"presence-room": {"user_count": 2}}})));
    let told = server.get("/apps/1/channels/nobody?info=subscription_count").await;
    assert_eq!(told, (200, json!({"occupied": false, "subscription_count": 0})));

    let mut body = event("presence-room", "");
    body["channels"] = json!(["presence-room", "orders"]);
    body["info"] = json!("user_count,subscription_count");
    let told = server.post("/apps/1/events", &body).await;
    let expected = json!({"presence-room": counts, "orders": {"subscription_count": 1}});
    assert_eq!(told, (200, json!({"channels": expected})));
    let one = json!({"name": "n", "channel": "presence-room", "data": "", "info": "user_count"});
    let two = json!({"name": "n", "channel": "orders", "data": ""});
    let told = server.post("/apps/1/batch_events", &json!({"batch": [two, one]})).await;
    assert_eq!(told, (200, json!({"batch": [{}, {"user_count": 2}]})));
}

#[tokio::test]
async fn cache_channel_keeps_what_was_published_for_who_joins_later() {
    let service = Service::start().await;
    let server = Server::of(&service);
    let asked = "/apps/1/channels/cache-price?info=cache";
    assert_eq!(server.get(asked).await, (200, json!({"occupied": false, "cache": null})));
    for data in ["1", "2"] {
        let (status, _) = server.post("/apps/1/events", &event("cache-price", data)).await;
        assert_eq!(status, 200);
    }
    assert_eq!(server.get(asked).await.1["cache"], json!({"data": "2"}));
    let mut late = joined(&service, "cache-price").await;
    assert_eq!(late.expect("order.shipped").await["data"], "2");
    server.post("/apps/1/events", &event("cache-price", "3")).await;
    assert_eq!(late.expect("order.shipped").await["data"], "3");
    late.quiet().await;
}

#[tokio::test]
async fn refusal_has_a_real_status_and_says_why() {
    let service = Service::start_with(|config| config.api.max_body_kib = 24).await;
    let server = Server::of(&service);
    let events = "/apps/1/events";
    let large = |size: usize| event("a", &"x".repeat(size));
    let cases = [
        (events, large(10_240), 200, ""),
        (events, large(10_241), 413, "too_large"),
        (events, large(30_000), 413, "too_large"),
        (events, json!({"name": "e", "data": ""}), 400, "malformed"),
        (events, json!([]), 400, "malformed"),
        ("/apps/2/events", event("a", ""), 404, "not_found"),
        ("/apps/x/events", event("a", ""), 404, "not_found"),
        ("/apps/1/nothing", event("a", ""), 404, "not_found"),
        ("/apps/1/channels", json!({}), 405, "method"),
        (
            "/apps/1/batch_events",
            json!({"batch": vec![json!({"name": "e", "data": "", "channel": "a"}); 11]}),
            400,
            "malformed",
        ),
    ];
    for (path, body, status, code) in cases {
        let (found, told) = server.post(path, &body).await;
        assert_eq!(found, status, "{path} {told}");
        assert!(code.is_empty() || told["code"] == code, "{told}");
        assert!(code.is_empty() || !told["error"].as_str().unwrap().is_empty(), "{told}");
    }
    for (path, status) in [
        ("/apps/1/channels?info=user_count", 400),
        ("/apps/1/channels?info=user_count&filter_by_prefix=presence", 400),
        ("/apps/1/channels?info=cache&filter_by_prefix=cache-", 400),
        ("/apps/1/channels/orders?info=user_count", 400),
        ("/apps/1/channels/orders?info=cache", 400),
        ("/apps/1/channels/a%20b", 400),
        ("/apps/1/channels/orders/users", 400),
        ("/apps/1/events", 405),
    ] {
        assert_eq!(server.get(path).await.0, status, "{path}");
    }
}

#[tokio::test]
async fn call_that_is_not_signed_as_it_has_to_be_is_refused() {
    let service = Service::start().await;
    let server = Server::of(&service);
    let body = event("a", "").to_string();
    let now = service.rt.clock().now().unix_timestamp();
    let path = "/apps/1/events";
    let good = |now| signed(SECRET, "POST", path, "", now, Some(&body));
    let mut client = joined(&service, "a").await;
    let other_key = good(now).replace(KEY, "test-app-2");
    let refused = [
        (signed("another secret of it", "POST", path, "", now, Some(&body)), &body),
        (good(now - 660), &body),
        (good(now + 660), &body),
        (other_key, &body),
        (good(now), &event("b", "").to_string()),
        (signed(SECRET, "POST", path, "", now, None), &body),
        (format!("{path}?auth_key={KEY}"), &body),
        (path.to_owned(), &body),
    ];
    for (target, body) in refused {
        let (status, told) = server.send("POST", &target, body.clone()).await;
        assert_eq!((status, &told["code"]), (401, &json!("signature")), "{target}");
    }
    client.quiet().await;
    assert_eq!(server.send("POST", &good(now), body.clone()).await.0, 200);
    client.expect("order.shipped").await;
    // As Pusher's library for Python asks.
    let empty = signed(SECRET, "GET", "/apps/1/channels", "", now, Some(""));
    assert_eq!(server.send("GET", &empty, String::new()).await.0, 200);
}

#[tokio::test]
async fn app_over_its_rate_is_told_when_to_come_again() {
    let service = Service::start_with(|config| config.api.per_second = 10).await;
    let server = Server::of(&service);
    let batch = vec![json!({"name": "e", "data": "", "channel": "a"}); 10];
    let batch = json!({"batch": batch}).to_string();
    let call = async || server.raw("POST", "/apps/1/batch_events", batch.clone()).await;
    assert_eq!(call().await.status(), 200);
    // Each takes all that a second gives.
    for attempt in 0.. {
        let response = call().await;
        if response.status() == 429 {
            assert_eq!(response.headers()["retry-after"], "1");
            break;
        }
        assert!(attempt < 10, "never refused");
    }
}

#[tokio::test]
async fn call_while_the_broker_is_away_is_refused_at_once_and_nothing_is_said_later() {
    let mut service = Service::start_with(|config| {
        config.api.patience = Duration::from_millis(250);
    })
    .await;
    service.log.expect("broker connection lost");
    let mut client = joined(&service, "cache-a").await;
    client.expect("pusher:cache_miss").await;
    service.nats.kill();
    let server = Server::of(&service);
    for _ in 0..5 {
        let began = Instant::now();
        let (status, told) = server.post("/apps/1/events", &event("cache-a", "1")).await;
        assert_eq!((status, &told["code"]), (503, &json!("unavailable")));
        // A quarter of a second is the promise; the rest is for a busy machine.
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
    service.nats.start_again();
    let server = Server::of(&service);
    eventually(PATIENCE, || async {
        server.post("/apps/1/events", &event("cache-a", "2")).await.0 == 200
    })
    .await;
    loop {
        let heard = client.next().await;
        if heard["event"] == "order.shipped" {
            assert_eq!(heard["data"], "2");
            break;
        }
    }
}

#[tokio::test]
async fn slow_body_is_given_up_and_holds_nothing_else_up() {
    let service = Service::start_with(|config| {
        config.api.body_timeout = Duration::from_secs(1);
        config.api.calls_per_app = 2;
    })
    .await;
    let server = Server::of(&service);
    let now = service.rt.clock().now().unix_timestamp();
    let body = event("a", "").to_string();
    let target = signed(SECRET, "POST", "/apps/1/events", "", now, Some(&body));
    let head =
        format!("POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{{", body.len());
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(("127.0.0.1", service.port())).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    // The app has all the calls that it may; sockets know nothing of it.
    let busy = || async { server.post("/apps/1/events", &event("a", "")).await.0 == 429 };
    eventually(PATIENCE, busy).await;
    let _socket = joined(&service, "a").await;
    for mut stream in slow {
        let mut answer = [0; 12];
        timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 408");
    }
    let free = || async { server.post("/apps/1/events", &event("a", "")).await.0 == 200 };
    eventually(PATIENCE, free).await;
}

#[tokio::test]
async fn connection_serves_call_after_call_and_takes_no_sockets_place() {
    let service = Service::start_with(|config| {
        config.api.max_connections = 1;
        config.socket.max_connections = 1;
    })
    .await;
    let now = service.rt.clock().now().unix_timestamp();
    let target = signed(SECRET, "GET", "/apps/1/channels", "", now, None);
    let mut stream = TcpStream::connect(("127.0.0.1", service.port())).await.unwrap();
    for _ in 0..3 {
        let head = format!("GET {target} HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = answer(&mut stream, "{\"channels\":{}}").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let second = Server::of(&service).get("/apps/1/channels").await;
    assert_eq!(second.0, 503);
    let _socket = Client::connect(&service).await;
    let open = format!(
        "GET /app/{KEY}?protocol=7 HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(open.as_bytes()).await.unwrap();
    let answer = answer(&mut stream, "calls\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "a connection that makes calls opens no socket");
}

/// Reads until the answer has come to its end.
async fn answer(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        let mut some = [0; 512];
        let count = timeout(PATIENCE, stream.read(&mut some)).await.unwrap().unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&some[..count]);
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn stop_answers_the_call_in_hand() {
    let service = Service::start_with(|config| config.api.calls_per_app = 1).await;
    let now = service.rt.clock().now().unix_timestamp();
    let body = event("a", "").to_string();
    let target = signed(SECRET, "POST", "/apps/1/events", "", now, Some(&body));
    let head =
        format!("POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut stream = TcpStream::connect(("127.0.0.1", service.port())).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let server = Server::of(&service);
    let in_hand = || async { server.get("/apps/1/channels").await.0 == 429 };
    eventually(PATIENCE, in_hand).await;
    let stop = service.stop();
    let call = async {
        let port = service.port();
        let stopping = || async { TcpStream::connect(("127.0.0.1", port)).await.is_err() };
        eventually(PATIENCE, stopping).await;
        stream.write_all(body.as_bytes()).await.unwrap();
        answer(&mut stream, "{}").await
    };
    let (clean, answer) = tokio::join!(stop, call);
    assert!(clean);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn without_redis_only_what_needs_it_is_refused_and_says_nothing() {
    let service = Service::start_with(|config| {
        config.redis = RedisConfig::for_test("redis://127.0.0.1:1");
    })
    .await;
    service.log.expect("edis");
    let server = Server::of(&service);
    let mut client = joined(&service, "orders").await;
    let batch = json!({"batch": [
        {"name": "e", "channel": "orders", "data": ""},
        {"name": "e", "channel": "cache-orders", "data": ""},
    ]});
    assert_eq!(server.post("/apps/1/batch_events", &batch).await.0, 503);
    let mut asks = event("orders", "");
    asks["info"] = json!("subscription_count");
    assert_eq!(server.post("/apps/1/events", &asks).await.0, 503);
    assert_eq!(server.get("/apps/1/channels").await.0, 503);
    client.quiet().await;
    assert_eq!(server.post("/apps/1/events", &event("orders", "")).await.0, 200);
    client.expect("order.shipped").await;
}

#[tokio::test]
async fn terminated_user_s_sockets_are_closed_on_every_instance_and_no_others() {
    let service = Service::start().await;
    let other = service.another().await;
    let mut here = Client::connect(&service).await;
    let mut there = Client::connect_to(other.address("socket").unwrap().port()).await;
    let mut bystander = Client::connect(&service).await;
    for (client, id) in [(&mut here, "a b"), (&mut there, "a b"), (&mut bystander, "c")] {
        client.sign_in(&json!({"id": id}).to_string()).await;
        client.expect("pusher:signin_success").await;
    }
    let server = Server::of(&service);
    let path = "/apps/1/users/a%20b/terminate_connections";
    assert_eq!(server.post(path, &json!({})).await, (200, json!({})));
    assert_eq!(here.closed().await, 4009);
    assert_eq!(there.closed().await, 4009);
    bystander.send(&json!({"event": "pusher:ping", "data": {}})).await;
    bystander.expect("pusher:pong").await;
    let long = format!("/apps/1/users/{}/terminate_connections", "x".repeat(129));
    assert_eq!(server.post(&long, &json!({})).await.0, 400);
}

#[tokio::test]
async fn channels_are_listed_whole_up_to_the_limit_and_refused_beyond_it() {
    let service = Service::start_with(|config| config.api.max_listed_channels = 2).await;
    let server = Server::of(&service);
    let _one = joined(&service, "orders-1").await;
    let _two = joined(&service, "orders-2").await;
    let (status, listed) = server.get("/apps/1/channels").await;
    assert_eq!((status, listed["channels"].as_object().unwrap().len()), (200, 2));
    let _three = joined(&service, "stock").await;
    let (status, refused) = server.get("/apps/1/channels").await;
    assert_eq!((status, &refused["code"]), (400, &json!("malformed")));
    let (status, listed) = server.get("/apps/1/channels?filter_by_prefix=orders-").await;
    assert_eq!((status, listed["channels"].as_object().unwrap().len()), (200, 2));
}
