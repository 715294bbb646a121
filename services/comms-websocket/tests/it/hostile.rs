//! Handshakes that are none, and messages that break the Pusher protocol's rules: they end nothing
//! but their own connection.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::raw::{FIN, PUSHER_PING, Raw, TEXT, frame, request};
use crate::support::{KEY, Service};

async fn open(service: &Service) -> Raw {
    Raw(TcpStream::connect(("127.0.0.1", service.port())).await.unwrap())
}

#[tokio::test]
async fn handshake_that_is_wrong_is_answered_by_http_and_ends() {
    let service = Service::start().await;
    let mut bystander = Raw::connect(&service).await;
    let good = request();
    let header = |text: String| good.replacen("host: x", &format!("host: x\r\n{text}"), 1);
    let many: String = (0..200).map(|n| format!("h{n}: x\r\n")).collect();
    for (what, request, status) in [
        ("no key", good.replace("sec-websocket-key", "sec-websocket-kez"), 400),
        ("no version", good.replace("sec-websocket-version", "x-version"), 400),
        ("an older version", good.replace("version: 13", "version: 8"), 426),
        ("not to be upgraded", good.replace("connection: upgrade", "connection: close"), 400),
        ("another method", good.replacen("GET", "POST", 1), 400),
        ("an older HTTP", good.replacen("HTTP/1.1", "HTTP/1.0", 1), 400),
        ("a header of 20 kB", header(format!("x: {}", "x".repeat(20_000))), 431),
        ("200 headers", header(many.trim_end().to_owned()), 431),
        ("an address of 20 kB", good.replace("protocol=7", &"x".repeat(20_000)), 431),
        ("a header that is none", header("nonsense".to_owned()), 400),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\r\n\r\n".to_owned(), 400),
    ] {
        let mut client = open(&service).await;
        // The far end may have seen enough before all is written.
        drop(client.0.write_all(request.as_bytes()).await);
        let answer = client.head_of_answer().await;
        let told = answer.split(' ').nth(1).map(str::to_owned);
        assert_eq!(told, Some(status.to_string()), "{what}: {answer}");
        client.ended().await;
        bystander.is_well().await;
    }
}

#[tokio::test]
async fn handshake_of_another_version_is_told_which_one_is_spoken() {
    let service = Service::start().await;
    let mut client = open(&service).await;
    client.send(request().replace("version: 13", "version: 12").as_bytes()).await;
    let answer = client.head_of_answer().await.to_lowercase();
    assert!(answer.contains("\r\nsec-websocket-version: 13\r\n"), "{answer}");
}

#[tokio::test]
async fn handshake_that_never_ends_is_ended() {
    let service = Service::start_with(|config| {
        config.socket.handshake_timeout = Duration::from_secs(1);
    })
    .await;
    let mut bystander = Raw::connect(&service).await;
    let whole = request();
    let half = whole.get(..60).unwrap();
    let (mut silent, mut halfway, mut drop_wise) =
        (open(&service).await, open(&service).await, open(&service).await);
    halfway.send(half.as_bytes()).await;
    drop_wise.send(format!("GET /app/{KEY}?protocol=7 HTTP/1.1\r\nhost: x\r\n").as_bytes()).await;
    let dripping = async {
        // A header line that grows: each byte is in time, the whole never is.
        while drop_wise.0.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let ending = async {
        silent.ended().await;
        halfway.ended().await;
    };
    tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(dripping, ending) })
        .await
        .expect("nobody may take for ever");
    // Somebody who goes away in the middle.
    let mut gone = open(&service).await;
    gone.send(half.as_bytes()).await;
    drop(gone);
    bystander.is_well().await;
}

#[tokio::test]
async fn frames_in_the_packet_of_the_handshake_are_heard() {
    let service = Service::start().await;
    let stream = TcpStream::connect(("127.0.0.1", service.port())).await.unwrap();
    let early = frame(FIN | TEXT, PUSHER_PING);
    let mut client = Raw::over(stream, &early).await;
    client.expect_pong_of_pusher().await;
}

/// Each has ended a whole server somewhere, or is near to what has.
const MALFORMED: [&str; 48] = [
    "",
    " ",
    "\u{0}",
    "{",
    "}",
    "[]",
    "[[[[",
    "null",
    "true",
    "0",
    "-1e999",
    "\"pusher:subscribe\"",
    "{}",
    r#"{"event":null}"#,
    r#"{"event":7,"data":{}}"#,
    r#"{"event":""}"#,
    r#"{"event":{"event":"pusher:ping"}}"#,
    r#"{"event":"\ud800"}"#,
    r#"{"event":"pusher:subscribe"}"#,
    r#"{"event":"pusher:subscribe","data":null}"#,
    r#"{"event":"pusher:subscribe","data":""}"#,
    r#"{"event":"pusher:subscribe","data":"null"}"#,
    r#"{"event":"pusher:subscribe","data":"\"{}\""}"#,
    r#"{"event":"pusher:subscribe","data":[]}"#,
    r#"{"event":"pusher:subscribe","data":7}"#,
    r#"{"event":"pusher:subscribe","data":{}}"#,
    r#"{"event":"pusher:subscribe","data":{"channel":null}}"#,
    r#"{"event":"pusher:subscribe","data":{"channel":7}}"#,
    r#"{"event":"pusher:subscribe","data":{"channel":{}}}"#,
    r#"{"event":"pusher:subscribe","data":{"channel":""}}"#,
    r#"{"event":"pusher:subscribe","data":{"channel":"\u0000"}}"#,
    r#"{"event":"pusher:subscribe","data":{"channel":"__proto__","auth":7}}"#,
    r#"{"event":"pusher:subscribe","data":{"channel":"private-a","auth":{}}}"#,
    r#"{"event":"pusher:subscribe","data":{"channel":"private-a","auth":":::.:"}}"#,
    r#"{"event":"pusher:subscribe","data":{"channel":"presence-a","channel_data":{}}}"#,
    r#"{"event":"pusher:subscribe","data":{"channel":"presence-a","channel_data":"{"}}"#,
    r#"{"event":"pusher:subscribe","data":{"channel":"private-encrypted-"}}"#,
    r##"{"event":"pusher:subscribe","data":{"channel":"#server-to-user-"}}"##,
    r#"{"event":"pusher:unsubscribe"}"#,
    r#"{"event":"pusher:unsubscribe","data":{"channel":[]}}"#,
    r#"{"event":"pusher:unsubscribe","data":{"channel":"never-joined"}}"#,
    r#"{"event":"pusher:signin"}"#,
    r#"{"event":"pusher:signin","data":{"auth":null,"user_data":null}}"#,
    r#"{"event":"client-"}"#,
    r#"{"event":"client-x","channel":7,"data":{}}"#,
    r#"{"event":"client-x","channel":"private-a"}"#,
    r#"{"event":"client-comms-ack","channel":"private-a","data":{}}"#,
    r#"{"event":"pusher_internal:member_added","channel":"presence-a","data":{}}"#,
];

#[tokio::test]
async fn malformed_event_ends_nothing_not_even_its_own_connection() {
    let service = Service::start_with(|config| config.socket.client_events = true).await;
    let mut bystander = Raw::connect(&service).await;
    let mut client = Raw::connect(&service).await;
    for text in MALFORMED {
        client.send(&frame(FIN | TEXT, text.as_bytes())).await;
        client.send(&frame(FIN | TEXT, PUSHER_PING)).await;
        // Perhaps an answer, then the sign of life.
        let mut answers = 0;
        loop {
            let (first, said) = client.frame().await.unwrap_or_else(|| panic!("ended by {text}"));
            let said = String::from_utf8(said).unwrap();
            assert_eq!(first, FIN | TEXT, "{text}: {said}");
            if said.contains("pusher:pong") {
                break;
            }
            let error = said.contains("pusher:error") || said.contains("subscription_error");
            let joined = said.contains("subscription_succeeded");
            assert!(error || joined, "{text}: {said}");
            answers += 1;
            assert_eq!(answers, 1, "{text}: {said}");
        }
        bystander.is_well().await;
    }
}

#[tokio::test]
async fn signin_that_is_not_signed_is_closed_with_4009_and_is_nobody_elses_matter() {
    let service = Service::start().await;
    let mut bystander = Raw::connect(&service).await;
    for text in [
        r#"{"event":"pusher:signin","data":{"auth":"","user_data":""}}"#,
        r#"{"event":"pusher:signin","data":{"auth":"test-app:0","user_data":"{\"id\":\"1\"}"}}"#,
    ] {
        let mut client = Raw::connect(&service).await;
        client.send(&frame(FIN | TEXT, text.as_bytes())).await;
        assert_eq!(client.close_code().await, Some(4009), "{text}");
        bystander.is_well().await;
    }
}
