//! CSRF, CORS and the headers of every answer.

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use yard_contracts::device::v1::Device;
use yard_contracts::identity::v1::{LoginResponse, Me};

use crate::support::{Fixture, OWNER, problem};

const OTHER: &str = "https://partner.example";
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

#[tokio::test]
async fn cookie_calls_that_change_something_need_proof_of_our_own_pages() {
    let gateway = Fixture::with(|c| c.http.allowed_origins = vec![OTHER.to_owned()]).await;
    gateway.services.answers("create_device", &Device::default());
    gateway.services.answers("login", &LoginResponse::default());
    let own = format!("http://{}", gateway.address);
    // CSRF header, Origin, Sec-Fetch-Site, passes.
    let table: [(bool, &str, &str, bool); 9] = [
        (true, "", "", true),
        (true, &own, "same-origin", true),
        (true, OTHER, "same-site", true),
        (false, "", "", false),
        (false, &own, "same-origin", false),
        (true, "https://evil.example", "", false),
        (true, "null", "", false),
        (true, &own, "cross-site", false),
        (true, OTHER, "cross-site", false),
    ];
    for (csrf, origin, site, passes) in table {
        for (path, cookie) in [("/api/v1/devices", true), ("/api/v1/sessions", false)] {
            let mut request = gateway.request(Method::POST, path).json(&json!({}));
            if cookie {
                request = request.header("cookie", format!("__Host-yard_session={OWNER}"));
            }
            for (name, value) in [("origin", origin), ("sec-fetch-site", site)] {
                request = if value.is_empty() { request } else { request.header(name, value) };
            }
            request = if csrf { request.header("x-yard-csrf", "1") } else { request };
            let response = request.send().await.unwrap();
            if passes {
                assert_eq!(response.status(), 200, "{path} {csrf} {origin} {site}");
            } else {
                problem(response, 403, "auth.csrf_failed").await;
            }
        }
    }
}

#[tokio::test]
async fn bearer_calls_and_reads_need_no_csrf_header() {
    let gateway = Fixture::start().await;
    gateway.services.answers("create_device", &Device::default());
    gateway.services.answers("get_me", &Me::default());
    let request = gateway.signed(Method::POST, "/api/v1/devices", OWNER);
    let request = request.header("origin", "https://evil.example").json(&json!({}));
    assert_eq!(request.send().await.unwrap().status(), 200);
    let read = gateway.get("/api/v1/me").header("cookie", format!("__Host-yard_session={OWNER}"));
    assert_eq!(read.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn security_headers_stand_on_every_answer() {
    let gateway = Fixture::with(|c| c.http.public_https = true).await;
    gateway.log.expect("share one address");
    for path in ["/api/v1/me", "/api/openapi.json", "/errors", "/nothing", "/livez", "/app/key"] {
        let response = gateway.get(path).send().await.unwrap();
        let headers = response.headers();
        assert_eq!(headers["content-security-policy"], CSP, "{path}");
        assert_eq!(headers["strict-transport-security"], "max-age=31536000", "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "same-origin", "{path}");
        assert_eq!(headers["cross-origin-opener-policy"], "same-origin", "{path}");
        assert_eq!(headers["x-frame-options"], "DENY", "{path}");
        assert!(headers["permissions-policy"].to_str().unwrap().contains("camera=()"), "{path}");
    }
    let plain = Fixture::start().await.get("/livez").send().await.unwrap();
    assert!(!plain.headers().contains_key("strict-transport-security"));
}

#[tokio::test]
async fn cross_origin_answers_are_for_listed_origins_only() {
    let gateway = Fixture::with(|c| c.http.allowed_origins = vec![OTHER.to_owned()]).await;
    gateway.services.answers("get_me", &Me::default());
    for (origin, allowed) in [(OTHER, true), ("https://evil.example", false), ("null", false)] {
        let request = gateway.signed(Method::GET, "/api/v1/me", OWNER).header("origin", origin);
        let response = request.send().await.unwrap();
        let text = |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap());
        assert_eq!(text("access-control-allow-origin"), allowed.then_some(origin));
        assert_eq!(text("access-control-allow-credentials"), allowed.then_some("true"));
        let exposed = allowed.then_some("ratelimit, ratelimit-policy, retry-after");
        assert_eq!(text("access-control-expose-headers"), exposed);
        // A cache must not give one site's answer to another, nor the refusal to a listed one.
        assert_eq!(text("vary"), Some("origin"), "{origin}");
    }
}

#[tokio::test]
async fn preflight_is_answered_to_listed_origins_with_what_the_address_takes() {
    let gateway = Fixture::with(|c| c.http.allowed_origins = vec![OTHER.to_owned()]).await;
    // Origin, asked method, whether the answer lets the browser go on.
    for (origin, method, allowed) in [
        (OTHER, Some("POST"), true),
        (OTHER, None, false),
        ("https://evil.example", Some("POST"), false),
        ("https://partner.example.evil", Some("POST"), false),
        ("null", Some("POST"), false),
    ] {
        let request = gateway.request(Method::OPTIONS, "/api/v1/devices").header("origin", origin);
        let request = match method {
            Some(method) => request.header("access-control-request-method", method),
            None => request,
        };
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 204, "{origin}");
        let methods = response.headers().get("access-control-allow-methods");
        let expected = allowed.then_some("GET, HEAD, OPTIONS, POST");
        assert_eq!(methods.map(|v| v.to_str().unwrap()), expected, "{origin} {method:?}");
        let any = response.headers().values().any(|value| value == "*");
        assert!(!any, "{origin}");
    }
    // Where nobody is listed, nobody is told anything.
    let closed = Fixture::start().await;
    let request = closed.request(Method::OPTIONS, "/api/v1/devices").header("origin", OTHER);
    let response = request.header("access-control-request-method", "POST").send().await.unwrap();
    assert!(response.headers().keys().all(|name| !name.as_str().starts_with("access-control")));
}

#[tokio::test]
async fn reads_that_another_sites_page_makes_by_cookie_are_refused_and_links_are_not() {
    let gateway = Fixture::with(|c| c.http.allowed_origins = vec![OTHER.to_owned()]).await;
    gateway.services.answers("get_me", &Me::default());
    // Site, mode, origin, passes.
    for (site, mode, origin, passes) in [
        ("same-origin", "cors", "", true),
        ("none", "navigate", "", true),
        ("cross-site", "navigate", "", true),
        ("cross-site", "cors", OTHER, true),
        ("cross-site", "no-cors", "", false),
        ("cross-site", "cors", "https://evil.example", false),
    ] {
        let request = gateway.get("/api/v1/me");
        let request = request.header("cookie", format!("__Host-yard_session={OWNER}"));
        let request = request.header("sec-fetch-site", site).header("sec-fetch-mode", mode);
        let request = if origin.is_empty() { request } else { request.header("origin", origin) };
        let response = request.send().await.unwrap();
        if passes {
            assert_eq!(response.status(), 200, "{site} {mode} {origin}");
        } else {
            problem(response, 403, "auth.csrf_failed").await;
        }
    }
}

#[tokio::test]
async fn error_pages_and_document_are_served() {
    let gateway = Fixture::start().await;
    let page = gateway.get("/errors/request.too_large").send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert!(page.text().await.unwrap().contains("larger than the limit"));
    let index = gateway.get("/errors").send().await.unwrap().text().await.unwrap();
    assert!(yard_fault::Code::ALL.iter().all(|code| index.contains(code.as_str())));
    let document: serde_json::Value =
        gateway.get("/api/openapi.json").send().await.unwrap().json().await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(gateway.get("/readyz").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn senders_who_keep_their_bodies_back_keep_nobody_else_out() {
    let gateway = Fixture::start().await;
    gateway.services.answers("login", &LoginResponse::default());
    let head = format!(
        "POST /api/v1/sessions HTTP/1.1\r\nhost: {}\r\nx-yard-csrf: 1\r\n\
         content-type: application/json\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n",
        gateway.address
    );
    let mut slow = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // The gateway asks for the body only when it has begun to wait for it.
        let mut begun = [0; 12];
        stream.read_exact(&mut begun).await.unwrap();
        assert_eq!(&begun, b"HTTP/1.1 100");
        slow.push(stream);
    }
    let login = gateway
        .request(Method::POST, "/api/v1/sessions")
        .header("x-yard-csrf", "1")
        .json(&json!({"email": "a@b", "password": "p"}));
    assert_eq!(login.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn body_of_a_stranger_may_be_no_larger_than_a_sign_in_needs() {
    let gateway = Fixture::start().await;
    let login = gateway
        .request(Method::POST, "/api/v1/sessions")
        .header("x-yard-csrf", "1")
        .json(&json!({"email": "a@b", "password": "p".repeat(65 * 1_024)}));
    problem(login.send().await.unwrap(), 413, "request.too_large").await;
    assert_eq!(gateway.services.count("login"), 0);
}
