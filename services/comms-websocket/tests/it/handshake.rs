//! Who may open a socket, and with which words the others are sent away.

use http::HeaderValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::support::{Client, KEY, Service, close_code};

#[tokio::test]
async fn address_and_origin_decide_with_the_codes_of_the_protocol() {
    let service = Service::start_with(|config| {
        config.socket.allowed_origins = vec!["https://console.example.org".to_owned()];
    })
    .await;
    let good = format!("/app/{KEY}?protocol=7");
    let cases = [
        ("/app/unknown?protocol=7".to_owned(), None, Some(4001)),
        ("/elsewhere?protocol=7".to_owned(), None, Some(4005)),
        (format!("/app/{KEY}?protocol=seven"), None, Some(4006)),
        (format!("/app/{KEY}?protocol=5"), None, Some(4007)),
        (format!("/app/{KEY}?protocol=8"), None, Some(4007)),
        (format!("/app/{KEY}?protocol=6"), None, None),
        (format!("/app/{KEY}"), None, Some(4008)),
        (good.clone(), Some("https://evil.example.org"), Some(4009)),
        (good.clone(), Some("https://console.example.org.evil.org"), Some(4009)),
        (good.clone(), Some("null"), Some(4009)),
        (good.clone(), Some("https://console.example.org"), None),
        (good.clone(), None, None),
        (format!("/s/abc{good}"), None, None),
    ];
    for (path, origin, code) in cases {
        let url = format!("ws://127.0.0.1:{}{path}", service.port());
        let mut request = url.into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", HeaderValue::from_static(origin));
        }
        let (ws, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        let mut client = Client { ws, socket_id: String::new() };
        if code.is_some() {
            let error = client.expect("pusher:error").await;
            assert_eq!(error["data"]["code"].as_u64(), code.map(u64::from), "{path}");
            assert_eq!(close_code(&mut client.ws).await, code, "{path} {origin:?}");
        } else {
            client.expect("pusher:connection_established").await;
        }
    }
}

#[tokio::test]
async fn request_that_is_no_handshake_gets_an_http_answer() {
    let service = Service::start().await;
    for (request, status) in [
        (format!("GET /app/{KEY} HTTP/1.1\r\nhost: x\r\n\r\n"), "426"),
        ("GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(), "404"),
        (format!("GET /app/{KEY} HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\n\r\n"), "400"),
        ("nonsense\r\n\r\n".to_owned(), "400"),
        (format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(20_000)), "431"),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", service.port())).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), format!("HTTP/1.1 {status}"));
    }
}

#[tokio::test]
async fn socket_beyond_the_limit_is_closed_with_4100_and_room_is_given_back() {
    let service = Service::start_with(|config| config.socket.max_connections = 1).await;
    let first = Client::connect(&service).await;
    let (mut second, _) = tokio_tungstenite::connect_async(service.url()).await.unwrap();
    assert_eq!(close_code(&mut second).await, Some(4100));
    drop(first);
    yard_testkit::eventually(crate::support::PATIENCE, || async {
        let (mut ws, _) = tokio_tungstenite::connect_async(service.url()).await.unwrap();
        let first = futures::StreamExt::next(&mut ws).await.unwrap().unwrap();
        first.to_text().is_ok_and(|text| text.contains("connection_established"))
    })
    .await;
}
