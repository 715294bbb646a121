//! Rate limits through the public listener, alone and with Redis.

use api_gateway::Config;
use api_gateway::limits::RateConfig;
use reqwest::{Method, Response};
use time::Duration;
use yard_contracts::device::v1::ListDevicesResponse;
use yard_contracts::identity::v1::{LoginResponse, Me};
use yard_runtime::Secret;
use yard_testkit::TestRedis;

use crate::support::{Fixture, OWNER, TENANT, VIEWER, problem};

const fn rate(burst: u32, seconds: u64) -> RateConfig {
    RateConfig { burst, interval: std::time::Duration::from_secs(seconds) }
}

async fn limited(change: impl FnOnce(&mut Config)) -> Fixture {
    let gateway = Fixture::with(|config| {
        config.http.trusted_proxies = vec!["127.0.0.1".to_owned()];
        change(config);
    })
    .await;
    gateway.services.answers("get_me", &Me::default());
    gateway.services.answers("list_devices", &ListDevicesResponse::default());
    gateway.services.answers("login", &LoginResponse::default());
    gateway
}

async fn me(gateway: &Fixture, session: &str, from: &str) -> Response {
    let request = gateway.signed(Method::GET, "/api/v1/me", session);
    request.header("x-forwarded-for", from).send().await.unwrap()
}

fn field(response: &Response, name: &str) -> String {
    let value = response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    value.unwrap_or_default()
}

#[tokio::test]
async fn session_is_limited_to_its_burst_and_told_how_it_stands() {
    let gateway = limited(|c| c.limits.read.session = rate(3, 10)).await;
    for left in ["r=2;t=10", "r=1;t=20", "r=0;t=30"] {
        let answer = me(&gateway, OWNER, "192.0.2.1").await;
        assert_eq!(answer.status(), 200);
        let standing = field(&answer, "ratelimit");
        assert!(standing.contains(&format!("\"read-session\";{left}")), "{standing}");
    }
    let refused = me(&gateway, OWNER, "192.0.2.1").await;
    assert_eq!(field(&refused, "retry-after"), "10");
    let policy = field(&refused, "ratelimit-policy");
    assert!(policy.contains("\"read-session\";q=3;w=30"), "{policy}");
    assert!(policy.contains("\"read-address\";q=1200;w=6"), "{policy}");
    assert!(policy.contains("\"read-tenant\";q=3000;w=3"), "{policy}");
    let body = problem(refused, 429, "rate.limited").await;
    assert!(body["detail"].as_str().unwrap().contains("read-session"), "{body}");
    // Another session is not touched, nor is another class; one more is granted per interval.
    assert_eq!(me(&gateway, VIEWER, "192.0.2.1").await.status(), 200);
    gateway.clock.advance(Duration::milliseconds(9_999));
    assert_eq!(me(&gateway, OWNER, "192.0.2.1").await.status(), 429);
    gateway.clock.advance(Duration::milliseconds(1));
    assert_eq!(me(&gateway, OWNER, "192.0.2.1").await.status(), 200);
    assert_eq!(me(&gateway, OWNER, "192.0.2.1").await.status(), 429);
}

#[tokio::test]
async fn address_is_limited_whoever_calls_and_an_ipv6_network_is_one() {
    let gateway = limited(|c| c.limits.read.address = rate(2, 10)).await;
    for (session, from, status) in [
        (OWNER, "2001:db8:1:2::1", 200),
        (VIEWER, "2001:db8:1:2::2", 200),
        ("yst_gone", "2001:db8:1:2:3::3", 429),
        (OWNER, "2001:db8:1:3::1", 200),
        (OWNER, "192.0.2.1", 200),
    ] {
        assert_eq!(me(&gateway, session, from).await.status(), status, "{from}");
    }
    // What the address has used up is not asked of auth: the third call cost no exchange.
    assert!(gateway.services.count("exchange_session") <= 2);
}

#[tokio::test]
async fn tenant_shares_one_limit_and_its_percent_changes_it() {
    let gateway = limited(|c| c.limits.read.tenant = rate(2, 10)).await;
    for (session, status) in [(OWNER, 200), (VIEWER, 200), (OWNER, 429)] {
        assert_eq!(me(&gateway, session, "192.0.2.1").await.status(), status);
    }
    let gateway = limited(|c| {
        c.limits.read.tenant = rate(2, 10);
        c.limits.tenant_percent.insert(TENANT.parse().unwrap(), 200);
    })
    .await;
    for status in [200, 200, 200, 200, 429] {
        let answer = me(&gateway, OWNER, "192.0.2.1").await;
        assert_eq!(answer.status(), status);
        assert!(field(&answer, "ratelimit-policy").contains("\"read-tenant\";q=4;w=20"));
    }
}

#[tokio::test]
async fn classes_count_by_themselves_and_public_calls_by_address() {
    let gateway = limited(|c| {
        c.limits.login.address = rate(1, 10);
        c.limits.read.address = rate(1, 10);
    })
    .await;
    let login = || {
        gateway
            .request(Method::POST, "/api/v1/sessions")
            .header("x-yard-csrf", "1")
            .json(&serde_json::json!({"email": "a@b", "password": "p"}))
            .send()
    };
    let first = login().await.unwrap();
    assert_eq!(first.status(), 200);
    assert_eq!(field(&first, "ratelimit"), "\"login-address\";r=0;t=10");
    problem(login().await.unwrap(), 429, "rate.limited").await;
    assert_eq!(gateway.services.count("login"), 1);
    assert_eq!(me(&gateway, OWNER, "127.0.0.1").await.status(), 200);
}

#[tokio::test]
async fn gateways_share_their_limits_by_redis() {
    let redis = TestRedis::create().await;
    let shared = async || {
        limited(|c| {
            c.redis.url = Secret::new(redis.url().to_owned());
            c.limits.read.address = rate(3, 300);
        })
        .await
    };
    let (one, other) = (shared().await, shared().await);
    assert_eq!(me(&one, OWNER, "192.0.2.1").await.status(), 200);
    assert_eq!(me(&other, OWNER, "192.0.2.1").await.status(), 200);
    assert_eq!(me(&one, OWNER, "192.0.2.1").await.status(), 200);
    assert_eq!(me(&other, OWNER, "192.0.2.1").await.status(), 429);
    assert_eq!(me(&one, OWNER, "192.0.2.1").await.status(), 429);
}

#[tokio::test]
async fn gateway_limits_by_itself_while_redis_is_away() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = listener.local_addr().unwrap();
    drop(listener);
    let gateway = limited(|c| {
        c.redis.url = Secret::new(format!("redis://{nowhere}/0"));
        c.limits.login.address = rate(2, 300);
    })
    .await;
    gateway.log.expect("each process limits for itself");
    let login = || {
        let request = gateway.request(Method::POST, "/api/v1/sessions").header("x-yard-csrf", "1");
        request.json(&serde_json::json!({"email": "a@b", "password": "p"})).send()
    };
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(login().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
}
