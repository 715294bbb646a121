//! Every cap at its edge.

use std::time::Duration;

use api_gateway::Config;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use yard_contracts::device::v1::{Device, ListDevicesResponse};
use yard_contracts::identity::v1::{LoginResponse, Me};

use crate::support::{Fixture, OWNER, problem};

async fn listing(change: impl FnOnce(&mut Config)) -> Fixture {
    let gateway = Fixture::with(change).await;
    gateway.services.answers("list_devices", &ListDevicesResponse::default());
    gateway.services.answers("create_device", &Device::default());
    gateway.services.answers("get_me", &Me::default());
    gateway.services.answers("login", &LoginResponse::default());
    gateway
}

/// Sends text as it is and returns what comes back until the other side closes.
async fn raw(gateway: &Fixture, text: &str) -> String {
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn address_may_have_as_many_bytes_as_stated_and_not_one_more() {
    let gateway = listing(|c| c.caps.url_bytes = 300).await;
    let path = |bytes: usize| {
        let start = "/api/v1/devices?page_token=";
        format!("{start}{}", "a".repeat(bytes - start.len()))
    };
    let answer = gateway.signed(Method::GET, &path(300), OWNER).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer = gateway.signed(Method::GET, &path(301), OWNER).send().await.unwrap();
    problem(answer, 414, "request.uri_too_long").await;
}

#[tokio::test]
async fn headers_may_be_as_many_and_as_large_as_stated_and_not_more() {
    let gateway = listing(|c| (c.caps.headers, c.caps.header_bytes) = (16, 2_048)).await;
    let request = |headers: usize, filler: usize| {
        let mut text = "GET /errors HTTP/1.1\r\nhost: h\r\nconnection: close\r\n".to_owned();
        for n in 2..headers - 1 {
            text.push_str(&format!("x-{n:02}: v\r\n"));
        }
        text.push_str(&format!("filler: {}\r\n\r\n", "f".repeat(filler)));
        text
    };
    assert!(raw(&gateway, &request(16, 1)).await.starts_with("HTTP/1.1 200"));
    let refused = raw(&gateway, &request(17, 1)).await;
    assert!(refused.starts_with("HTTP/1.1 431"), "{refused}");
    assert!(refused.contains("request.headers_too_large"), "{refused}");
    // "host"+"h", "connection"+"close", "filler": 26 bytes beside the filler.
    assert!(raw(&gateway, &request(3, 2_048 - 26)).await.starts_with("HTTP/1.1 200"));
    assert!(raw(&gateway, &request(3, 2_048 - 25)).await.starts_with("HTTP/1.1 431"));
    // Far beyond, the parser itself gives up.
    assert!(raw(&gateway, &request(33, 1)).await.starts_with("HTTP/1.1 431"));
    assert!(raw(&gateway, &request(3, 70_000)).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn body_may_be_as_large_as_its_class_and_caller_have_it() {
    let gateway = listing(|c| {
        c.limits.write.body_kib = 4;
        c.limits.login.body_kib = 2;
        c.caps.anonymous_body_kib = 1;
    })
    .await;
    let body = |bytes: usize| format!("{{\"name\":\"{}\"}}", "n".repeat(bytes - 11));
    let post = |path: &str, text: String| {
        let request = gateway.request(Method::POST, path).header("x-yard-csrf", "1");
        request.header("content-type", "application/json").body(text)
    };
    let device = post("/api/v1/devices", body(4_096)).bearer_auth(OWNER).send().await.unwrap();
    assert_eq!(device.status(), 200);
    let device = post("/api/v1/devices", body(4_097)).bearer_auth(OWNER).send().await.unwrap();
    problem(device, 413, "request.too_large").await;
    // Without a session the smaller of both holds, and the text says which.
    let login = |bytes: usize| {
        let text = format!("{{\"email\":\"{}\"}}", "e".repeat(bytes - 12));
        post("/api/v1/sessions", text).send()
    };
    assert_eq!(login(1_024).await.unwrap().status(), 200);
    let refused = problem(login(1_025).await.unwrap(), 413, "request.too_large").await;
    assert!(refused["detail"].as_str().unwrap().contains("1 KiB"), "{refused}");
}

#[tokio::test]
async fn body_may_be_as_deep_and_as_full_as_stated() {
    let gateway = listing(|c| (c.caps.depth, c.caps.members) = (8, 100)).await;
    let create =
        |body: Value| gateway.signed(Method::POST, "/api/v1/devices", OWNER).json(&body).send();
    let labels = |count: usize| {
        let pairs = (0..count).map(|n| (format!("k{n}"), json!("v")));
        json!({"name": "n", "labels": pairs.collect::<serde_json::Map<_, _>>()})
    };
    // Two members at the top, the rest among the labels.
    assert_eq!(create(labels(98)).await.unwrap().status(), 200);
    problem(create(labels(99)).await.unwrap(), 400, "request.too_many_members").await;
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let answer = create(json!({ "nothing": nested(7) })).await.unwrap();
    problem(answer, 422, "request.unknown_field").await;
    let answer = create(json!({ "nothing": nested(8) })).await.unwrap();
    problem(answer, 400, "request.too_deep").await;
}

#[tokio::test]
async fn compressed_body_is_refused_and_an_uncompressed_one_may_say_so() {
    let gateway = listing(|_| {}).await;
    for (encoding, passes) in
        [("gzip", false), ("br", false), ("gzip, gzip", false), ("Identity", true)]
    {
        let request = gateway.signed(Method::POST, "/api/v1/devices", OWNER);
        let request = request.header("content-encoding", encoding).json(&json!({}));
        let answer = request.send().await.unwrap();
        if passes {
            assert_eq!(answer.status(), 200, "{encoding}");
        } else {
            problem(answer, 415, "request.unsupported_media_type").await;
        }
    }
}

#[tokio::test]
async fn slow_heads_are_cut_off() {
    let gateway = listing(|c| c.caps.header_time = Duration::from_millis(300)).await;
    // Half a head, then silence: the connection ends by itself.
    let answer = raw(&gateway, "GET /errors HTTP/1.1\r\nhost: h\r\nx-half").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn slow_bodies_are_cut_off_between_parts_and_in_all() {
    let gateway = listing(|c| {
        c.caps.body_pause = Duration::from_millis(300);
        c.caps.body_time = Duration::from_millis(900);
    })
    .await;
    let head = "POST /api/v1/sessions HTTP/1.1\r\nhost: h\r\nx-yard-csrf: 1\r\nconnection: close\r\n\
                content-type: application/json\r\ncontent-length: 500\r\n\r\n{";
    let paused = raw(&gateway, head).await;
    assert!(
        paused.starts_with("HTTP/1.1 400") && paused.contains("a part of the body"),
        "{paused}"
    );
    // A byte now and then keeps the parts coming, but not for ever.
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let drip = async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if writer.write_all(b" ").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = drip => {}
        read = reader.read_to_end(&mut answer) => { read.unwrap(); }
    }
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("the body took"), "{answer}");
}

#[tokio::test]
async fn address_has_as_many_connections_as_stated() {
    let gateway = listing(|c| c.caps.connections_per_address = 2).await;
    let open = async || {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
        let mut begun = [0; 12];
        let answered = stream.read_exact(&mut begun).await.is_ok();
        (answered && &begun == b"HTTP/1.1 200").then_some(stream)
    };
    let first = open().await.unwrap();
    let _second = open().await.unwrap();
    assert!(open().await.is_none());
    drop(first);
    yard_testkit::eventually(Duration::from_secs(5), || async { open().await.is_some() }).await;
}

#[tokio::test]
async fn connections_of_a_trusted_proxy_are_not_limited_as_one_address() {
    let gateway = listing(|c| {
        c.caps.connections_per_address = 1;
        c.http.trusted_proxies = vec!["127.0.0.1".to_owned()];
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
        let mut begun = [0; 12];
        stream.read_exact(&mut begun).await.unwrap();
        held.push(stream);
    }
}

#[tokio::test]
async fn address_has_as_many_calls_under_way_as_stated() {
    let gateway = listing(|c| {
        c.caps.calls_per_address = 2;
        c.http.trusted_proxies = vec!["127.0.0.1".to_owned()];
    })
    .await;
    let head = |client: &str| {
        format!(
            "POST /api/v1/sessions HTTP/1.1\r\nhost: h\r\nx-yard-csrf: 1\r\nx-forwarded-for: {client}\r\n\
             content-type: application/json\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n"
        )
    };
    // A call that waits for its body is under way; the gateway says 100 once it waits.
    let wait = async |client: &str| {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(head(client).as_bytes()).await.unwrap();
        let mut begun = [0; 12];
        stream.read_exact(&mut begun).await.unwrap();
        (String::from_utf8_lossy(&begun).into_owned(), stream)
    };
    let (one, mut first) = wait("192.0.2.1").await;
    let (two, _second) = wait("192.0.2.1").await;
    let (three, _third) = wait("192.0.2.1").await;
    let (other, _fourth) = wait("192.0.2.2").await;
    let expected = ["HTTP/1.1 100", "HTTP/1.1 100", "HTTP/1.1 429", "HTTP/1.1 100"];
    assert_eq!([one.as_str(), &two, &three, &other], expected);
    first.write_all(b"{}").await.unwrap();
    let mut answer = [0; 64];
    assert!(first.read(&mut answer).await.unwrap() > 0);
    yard_testkit::eventually(Duration::from_secs(5), || async {
        wait("192.0.2.1").await.0 == "HTTP/1.1 100"
    })
    .await;
}

#[tokio::test]
async fn service_that_takes_longer_than_the_class_may_is_not_waited_for() {
    let gateway = listing(|c| c.limits.stream.deadline = Duration::from_millis(200)).await;
    let begun = std::time::Instant::now();
    // Nothing listens there: the worker's address is one of the defaults.
    let answer =
        gateway.signed(Method::GET, "/api/v1/realtime/tail?channel=x", OWNER).send().await.unwrap();
    assert!(answer.status().is_client_error() || answer.status().is_server_error());
    assert!(begun.elapsed() < Duration::from_secs(5));
}
