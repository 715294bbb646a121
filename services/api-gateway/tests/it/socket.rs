//! Sockets are passed through as they are.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{accept_hdr_async, connect_async};
use yard_runtime::TaskKind;

use crate::support::{Fixture, problem};

/// A gateway whose socket service sends back what it gets, after the headers that it saw.
async fn echoing() -> Fixture {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let gateway = Fixture::with(|config| config.upstreams.socket = at).await;
    gateway.runtime.tasks().spawn(TaskKind::Background, "echo", async move {
        loop {
            let (stream, _) = listener.accept().await?;
            let mut head = String::new();
            #[expect(clippy::result_large_err, reason = "the handshake's callback is typed so")]
            let note = |request: &Request, response: Response| {
                head = format!("{} {:?}", request.uri(), request.headers());
                Ok(response)
            };
            let Ok(mut socket) = accept_hdr_async(stream, note).await else {
                continue;
            };
            socket.send(Message::text(head)).await?;
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() || message.is_binary() {
                    socket.send(message).await?;
                }
            }
        }
    });
    gateway
}

#[tokio::test]
async fn frames_pass_unchanged_both_ways_and_the_hard_stop_closes() {
    let gateway = echoing().await;
    gateway.log.expect("tasks did not finish in time");
    let url = format!("ws://{}/app/key-1?protocol=7&client=js", gateway.address);
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("cookie", "__Host-yard_session=yst_secret".parse().unwrap());
    request.headers_mut().insert("origin", format!("http://{}", gateway.address).parse().unwrap());
    let (mut socket, response) = connect_async(request).await.unwrap();
    assert_eq!(response.status(), 101);
    let head = socket.next().await.unwrap().unwrap().into_text().unwrap();
    assert!(head.starts_with("/app/key-1?protocol=7&client=js"), "{head}");
    assert!(head.contains("x-forwarded-for") && !head.contains("yst_secret"), "{head}");
    for message in [Message::text("hello"), Message::binary(vec![7_u8; 200_000])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    let stopped = gateway.runtime.stop(Duration::ZERO, Duration::from_millis(100));
    let (_, closed) = tokio::join!(stopped, socket.next());
    assert!(!matches!(closed, Some(Ok(Message::Text(_) | Message::Binary(_)))));
}

#[tokio::test]
async fn soft_stop_closes_sockets_long_before_the_hard_one() {
    let gateway = echoing().await;
    let url = format!("ws://{}/app/key-1", gateway.address);
    let (mut socket, _) = connect_async(url).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let stop = gateway.runtime.stop(Duration::ZERO, Duration::from_secs(60));
    let closed = tokio::select! {
        _ = stop => panic!("the socket was open until the hard stop"),
        closed = socket.next() => closed,
    };
    assert!(!matches!(closed, Some(Ok(_))));
}

#[tokio::test]
async fn foreign_origins_and_plain_requests_are_refused() {
    let gateway = echoing().await;
    let upgrade = |origin: &str| {
        gateway
            .get("/app/key")
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("origin", origin)
            .send()
    };
    problem(upgrade("https://evil.example").await.unwrap(), 403, "auth.csrf_failed").await;
    problem(gateway.get("/app/key").send().await.unwrap(), 400, "request.malformed").await;
    problem(gateway.get("/app/key/more").send().await.unwrap(), 404, "route.not_found").await;
    let lonely = Fixture::with(|c| c.upstreams.socket = "127.0.0.1:1".to_owned()).await;
    lonely.log.expect("Connection refused");
    let url = format!("ws://{}/app/key", lonely.address);
    let error = connect_async(url).await.unwrap_err();
    assert!(error.to_string().contains("503"), "{error}");
}
