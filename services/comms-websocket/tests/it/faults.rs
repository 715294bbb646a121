//! What clients do wrong, and that it costs nobody but themselves.

use std::time::Duration;

use futures::SinkExt as _;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::support::{Client, Service, device, device_channel, tenant};

#[tokio::test]
async fn frame_that_is_not_taken_closes_its_own_socket_with_the_right_code() {
    let service = Service::start().await;
    let mut bystander = Client::connect(&service).await;
    let invalid = Frame::message(vec![b'"', 0xff, 0xfe], OpCode::Data(Data::Text), true);
    let cases = [
        (Message::binary(vec![1, 2, 3]), 1003),
        (Message::Frame(invalid), 1007),
        (Message::text("x".repeat(16_385)), 1009),
        (Message::text("x".repeat(3_000_000)), 1009),
    ];
    for (message, code) in cases {
        let mut client = Client::connect(&service).await;
        client.ws.send(message).await.unwrap();
        assert_eq!(client.closed().await, code);
    }
    // Unmasked, a reserved opcode, a reserved bit, a fragmented ping.
    for raw in [
        &[0x81, 2, b'h', b'i'][..],
        &[0x83, 0x80, 0, 0, 0, 0],
        &[0xf1, 0x80, 0, 0, 0, 0],
        &[0x09, 0x80, 0, 0, 0, 0],
    ] {
        let mut client = Client::connect(&service).await;
        let MaybeTlsStream::Plain(stream) = client.ws.get_mut() else { unreachable!() };
        stream.write_all(raw).await.unwrap();
        assert_eq!(client.closed().await, 1002, "{raw:?}");
    }
    bystander.send(&json!({"event": "pusher:ping", "data": {}})).await;
    bystander.expect("pusher:pong").await;
}

#[tokio::test]
async fn random_bytes_end_nothing_but_their_own_connection() {
    let service = Service::start().await;
    let mut bystander = Client::connect(&service).await;
    // A fixed sequence, so that a failure comes again.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    for round in 0..100 {
        let mut client = Client::connect(&service).await;
        let mut bytes: Vec<u8> = (0..64).flat_map(|_| random()).collect();
        if round % 2 == 0 {
            // A well-formed head, so that the rest is taken for a masked text.
            bytes.splice(0..2, [0x81, 0x80 | (round % 126)]);
        }
        let MaybeTlsStream::Plain(stream) = client.ws.get_mut() else { unreachable!() };
        // The far end may have closed already.
        drop(stream.write_all(&bytes).await);
        drop(client);
        bystander.send(&json!({"event": "pusher:ping", "data": {}})).await;
        bystander.expect("pusher:pong").await;
    }
}

#[tokio::test]
async fn message_that_makes_no_sense_is_answered_and_the_socket_stays_open() {
    let service = Service::start().await;
    let mut client = Client::connect(&service).await;
    for text in ["", "{", "[]", "null", r#"{"event":"pusher:subscribe"}"#] {
        client.ws.send(Message::text(text)).await.unwrap();
        let error = client.expect("pusher:error").await;
        assert!(error["data"]["code"].is_null(), "{error}");
    }
    client.send(&json!({"event": "pusher:news", "data": {}})).await;
    client.send(&json!({"event": "pusher_internal:subscription_succeeded"})).await;
    client.send(&json!({"event": "pusher:unsubscribe", "data": {"channel": "#"}})).await;
    client.send(&json!({"event": "client-x", "channel": "private-x", "data": {}})).await;
    assert_eq!(client.expect("pusher:error").await["data"]["code"], 4301);
    client.ws.send(Message::Ping(vec![7; 125].into())).await.unwrap();
    client.send(&json!({"event": "pusher:ping", "data": ""})).await;
    client.expect("pusher:pong").await;
}

#[tokio::test]
async fn join_that_is_refused_says_why_and_the_socket_stays_open() {
    let service = Service::start_with(|config| config.socket.max_channels_per_socket = 1).await;
    let mut client = Client::connect(&service).await;
    let private = device_channel(tenant(), device());
    let forged = format!("test-app:{}", "0".repeat(64));
    let long = "x".repeat(201);
    let cases = [
        ("a b", "", 400),
        ("", "", 400),
        (long.as_str(), "", 400),
        ("#server-to-user-1", "", 401),
        ("#server-to-user-", "", 400),
        ("presence-room", forged.as_str(), 401),
        ("private-encrypted-room", forged.as_str(), 401),
        ("private-cache-room", "", 401),
        (private.as_str(), "", 401),
        (private.as_str(), "test-app:", 401),
        (private.as_str(), forged.as_str(), 401),
    ];
    for (channel, auth, status) in cases {
        client.subscribe(channel, auth).await;
        let error = client.expect("pusher:subscription_error").await;
        assert_eq!(error["data"]["status"], status, "{error}");
    }
    client.subscribe("news", "").await;
    client.expect("pusher_internal:subscription_succeeded").await;
    client.subscribe("more-news", "").await;
    let error = client.expect("pusher:subscription_error").await;
    assert_eq!(error["data"]["status"], 429);
    client.subscribe("news", "").await;
    client.expect("pusher_internal:subscription_succeeded").await;
}

#[tokio::test]
async fn silent_client_is_asked_and_then_closed_with_4201_while_one_that_answers_stays() {
    let service = Service::start_with(|config| {
        config.socket.activity_timeout = Duration::from_secs(1);
        config.socket.pong_timeout = Duration::from_secs(1);
    })
    .await;
    let mut silent = Client::connect(&service).await;
    let mut alive = Client::connect(&service).await;
    let answering = async {
        for _ in 0..3 {
            alive.expect("pusher:ping").await;
            alive.send(&json!({"event": "pusher:pong", "data": {}})).await;
        }
    };
    let watching = async {
        silent.expect("pusher:ping").await;
        silent.closed().await
    };
    let ((), code) = tokio::join!(answering, watching);
    assert_eq!(code, 4201);
}

#[tokio::test]
async fn client_that_closes_gets_its_close_frame_back() {
    let service = Service::start().await;
    let mut client = Client::connect(&service).await;
    client.ws.close(None).await.unwrap();
    // The library reports the answer as the end of the stream, without an error.
    while let Some(message) = futures::StreamExt::next(&mut client.ws).await {
        message.unwrap();
    }
}
