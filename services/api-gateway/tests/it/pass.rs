//! What OAuth clients call is passed through, and nothing else with it.

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method as Verb, StatusCode, Uri};
use axum::response::IntoResponse as _;
use axum::routing::any;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use yard_runtime::TaskKind;

use crate::support::{Fixture, OWNER, problem};

/// Says what it was asked, with headers that must not come back.
async fn echo(verb: Verb, uri: Uri, headers: HeaderMap, body: Bytes) -> axum::response::Response {
    if uri.path().ends_with("/large") {
        return "x".repeat(256 * 1024 + 1).into_response();
    }
    if uri.path().ends_with("/largest") {
        return "x".repeat(256 * 1024).into_response();
    }
    let names: Vec<_> = headers.keys().map(ToString::to_string).collect();
    let text = |name: &str| headers.get(name).map(|v| v.to_str().unwrap().to_owned());
    let seen = json!({
        "verb": verb.as_str(), "uri": uri.to_string(), "names": names,
        "body": String::from_utf8_lossy(&body), "client": text("yard-client-ip"),
        "agent": text("yard-user-agent"), "authorization": text("authorization"),
    });
    let back = [
        ("set-cookie", "__Host-yard_session=yst_evil"),
        ("access-control-allow-origin", "*"),
        ("yard-set-session", "yst_evil;60"),
        ("location", "https://app.example/cb"),
        ("cache-control", "no-store"),
        ("content-type", "application/json"),
    ];
    (StatusCode::SEE_OTHER, back, seen.to_string()).into_response()
}

/// With `socket`, of comms-websocket's listener; else of auth's.
async fn passing_to(socket: bool) -> Fixture {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let gateway = Fixture::with(|config| match socket {
        true => config.upstreams.socket = at,
        false => config.pass_through.upstream = at,
    })
    .await;
    let hard = gateway.runtime.shutdown().hard().clone();
    gateway.runtime.tasks().spawn(TaskKind::Background, "echo", async move {
        let router = Router::new().fallback(any(echo));
        let stop = async move { hard.cancelled().await };
        Ok(axum::serve(listener, router).with_graceful_shutdown(stop).await?)
    });
    gateway
}

async fn passing() -> Fixture {
    passing_to(false).await
}

#[tokio::test]
async fn call_of_pushers_http_api_passes_to_the_sockets_listener_letter_by_letter() {
    let gateway = passing_to(true).await;
    let path = "/apps/7/events?auth_key=k&auth_signature=aB&body_md5=c&auth_timestamp=1";
    let request = gateway
        .request(Method::POST, path)
        .header("cookie", "__Host-yard_session=yst_x")
        .header("content-type", "application/json")
        .body(r#"{"name": "x"}"#);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 303);
    assert!(answer.headers().get("set-cookie").is_none());
    let seen: Value = answer.json().await.unwrap();
    assert_eq!(seen["uri"], path);
    assert_eq!(seen["body"], r#"{"name": "x"}"#);
    assert!(!seen["names"].as_array().unwrap().contains(&json!("cookie")), "{seen}");
    // The one call that names no app, as the library of PyPI makes it.
    let path = "/users/7/terminate_connections?auth_key=k&auth_signature=aB";
    let answer = gateway.request(Method::POST, path).body("{}").send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["uri"], path);
    problem(gateway.get("/apps").send().await.unwrap(), 404, "route.not_found").await;
    problem(gateway.get("/apps/../x").send().await.unwrap(), 404, "route.not_found").await;
}

#[tokio::test]
async fn request_passes_with_few_headers_and_no_cookie_either_way() {
    let gateway = passing().await;
    let request = gateway
        .browser(Method::POST, "/oauth2/token?a=%20b", OWNER)
        .header("authorization", "Basic eA==")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("user-agent", "app/1")
        .header("yard-client-ip", "203.0.113.9")
        .header("x-forwarded-for", "203.0.113.9")
        .header("origin", "https://evil.example")
        .body("grant_type=refresh_token");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 303);
    let headers = answer.headers().clone();
    assert_eq!(headers["location"], "https://app.example/cb");
    assert_eq!(
        (&headers["cache-control"], &headers["x-frame-options"]),
        (&"no-store".parse().unwrap(), &"DENY".parse().unwrap())
    );
    for absent in ["set-cookie", "access-control-allow-origin", "yard-set-session"] {
        assert!(headers.get(absent).is_none(), "{absent}");
    }
    assert!(headers["ratelimit-policy"].to_str().unwrap().contains("login-address"));
    let seen: Value = answer.json().await.unwrap();
    assert_eq!((&seen["verb"], &seen["uri"]), (&json!("POST"), &json!("/oauth2/token?a=%20b")));
    assert_eq!(seen["body"], "grant_type=refresh_token");
    assert_eq!((&seen["client"], &seen["agent"]), (&json!("127.0.0.1"), &json!("app/1")));
    assert_eq!(seen["authorization"], "Basic eA==");
    for name in seen["names"].as_array().unwrap() {
        let known = [
            "authorization",
            "content-length",
            "content-type",
            "host",
            "traceparent",
            "yard-client-ip",
            "yard-request-id",
            "yard-user-agent",
            "accept",
        ];
        assert!(known.contains(&name.as_str().unwrap()), "{name}");
    }
}

#[tokio::test]
async fn only_configured_addresses_and_two_methods_pass() {
    let gateway = passing().await;
    for path in ["/oauth2/authorize?x", "/.well-known/openid-configuration"] {
        assert_eq!(gateway.get(path).send().await.unwrap().status(), 303, "{path}");
    }
    for path in ["/crl/device-ca.pem", "/oauth2", "/oauth2/%2e%2e/crl", "/.well-known/x"] {
        let answer = gateway.get(path).send().await.unwrap();
        problem(answer, 404, "route.not_found").await;
    }
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = gateway.request(method, "/oauth2/token").send().await.unwrap();
        assert_eq!(answer.headers()["allow"], "GET, HEAD, OPTIONS, POST");
        problem(answer, 405, "route.method_not_allowed").await;
    }
    let options = gateway.request(Method::OPTIONS, "/oauth2/token").send().await.unwrap();
    assert_eq!(options.status(), 204);
}

#[tokio::test]
async fn sizes_are_held_and_a_service_that_is_away_is_unavailable() {
    let gateway = passing().await;
    gateway.log.expect("length limit exceeded");
    let post = |bytes: usize| {
        gateway.request(Method::POST, "/oauth2/token").body("x".repeat(bytes)).send()
    };
    assert_eq!(post(64 * 1024).await.unwrap().status(), 303);
    problem(post(64 * 1024 + 1).await.unwrap(), 413, "request.too_large").await;
    let largest = gateway.get("/oauth2/largest").send().await.unwrap();
    assert_eq!(largest.bytes().await.unwrap().len(), 256 * 1024);
    let large = gateway.get("/oauth2/large").send().await.unwrap();
    problem(large, 503, "service.unavailable").await;

    let lonely = Fixture::with(|c| c.pass_through.upstream = "127.0.0.1:1".to_owned()).await;
    lonely.log.expect("Connection refused");
    let answer = lonely.get("/oauth2/authorize").send().await.unwrap();
    problem(answer, 503, "service.unavailable").await;
    let none = Fixture::with(|c| c.pass_through.upstream = String::new()).await;
    problem(none.get("/oauth2/authorize").send().await.unwrap(), 404, "route.not_found").await;
}
