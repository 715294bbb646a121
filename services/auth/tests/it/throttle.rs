use tonic::Request;
use yard_contracts::identity::v1::LoginRequest;
use yard_fault::Code;
use yard_runtime::Secret;
use yard_testkit::logs;

use crate::support::{Auth, PASSWORD, code, credentials};

const WRONG: &str = "wrong horse battery";

fn from(source: &str, email: &str, password: &str) -> Request<LoginRequest> {
    let mut request = Request::new(credentials(email, password, ""));
    request.metadata_mut().insert("yard-client-ip", source.parse().unwrap());
    request
}

async fn tries(auth: &Auth, count: usize, source: &str, email: &str) -> Vec<Option<Code>> {
    let mut codes = Vec::new();
    for _ in 0..count {
        codes.push(code(auth.sessions().login(from(source, email, WRONG)).await));
    }
    codes
}

#[tokio::test]
async fn guessing_is_throttled_alike_for_accounts_that_exist_and_that_do_not() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    for email in ["owner@example.org", "nobody@example.org"] {
        let codes = tries(&auth, 6, "192.0.2.1", email).await;
        assert!(codes[..5].iter().all(|code| *code == Some(Code::AuthInvalidCredentials)));
        assert_eq!(codes[5], Some(Code::AuthThrottled));
    }
    // The right password does not help while the limit holds.
    let right = auth.sessions().login(from("192.0.2.1", "owner@example.org", PASSWORD)).await;
    let status = right.unwrap_err();
    assert!(status.message().contains("wait"), "{status}");
    auth.finish().await;
}

#[tokio::test]
async fn victim_gets_in_from_a_known_address_while_attackers_use_the_account_up() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let owner = |source| from(source, "owner@example.org", PASSWORD);
    auth.sessions().login(owner("198.51.100.7")).await.unwrap();
    let mut codes = Vec::new();
    for attacker in ["2001:db8:1::1", "2001:db8:2::1", "2001:db8:3::1"] {
        codes.extend(tries(&auth, 3, attacker, "owner@example.org").await);
    }
    assert_eq!(codes.last(), Some(&Some(Code::AuthThrottled)));
    let elsewhere = auth.sessions().login(owner("198.51.100.8")).await;
    assert_eq!(code(elsewhere), Some(Code::AuthThrottled));
    auth.sessions().login(owner("198.51.100.7")).await.unwrap();
    auth.finish().await;
}

#[tokio::test]
async fn one_address_is_limited_over_all_accounts() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let mut last = None;
    for count in 0..13 {
        let email = format!("person{count}@example.org");
        last = tries(&auth, 1, "2001:db8::1", &email).await.pop().flatten();
    }
    assert_eq!(last, Some(Code::AuthThrottled));
    // Another address of the same network is the same source; another network is not.
    let same = tries(&auth, 1, "2001:db8::2", "ann@example.org").await;
    assert_eq!(same, [Some(Code::AuthThrottled)]);
    let other = tries(&auth, 1, "2001:db8:0:1::1", "ann@example.org").await;
    assert_eq!(other, [Some(Code::AuthInvalidCredentials)]);
    auth.finish().await;
}

#[tokio::test]
async fn success_makes_the_count_of_its_address_new() {
    let _log = logs::capture();
    let auth = Auth::start_with(|config| config.throttle.source_burst = 100).await;
    for _ in 0..3 {
        let codes = tries(&auth, 4, "192.0.2.1", "owner@example.org").await;
        assert!(codes.iter().all(|code| *code == Some(Code::AuthInvalidCredentials)), "{codes:?}");
        let right = from("192.0.2.1", "owner@example.org", PASSWORD);
        auth.sessions().login(right).await.unwrap();
    }
    auth.finish().await;
}

#[tokio::test]
async fn logins_go_on_without_redis_and_stay_limited() {
    let log = logs::capture();
    log.expect("login limits are not available");
    drop(yard_runtime::metrics_text());
    let nowhere = unused_port();
    let auth = Auth::start_with(|config| {
        config.redis.url = Secret::new(format!("redis://127.0.0.1:{nowhere}/0"));
    })
    .await;
    let codes = tries(&auth, 6, "192.0.2.1", "owner@example.org").await;
    assert!(codes[..5].iter().all(|code| *code == Some(Code::AuthInvalidCredentials)), "{codes:?}");
    assert_eq!(codes[5], Some(Code::AuthThrottled));
    // The owner gets in from elsewhere: guesses of others do not count against the account.
    auth.sessions().login(from("198.51.100.7", "owner@example.org", PASSWORD)).await.unwrap();
    assert!(yard_runtime::metrics_text().contains("yard_auth_throttle_unavailable_total"));
    auth.finish().await;
}

/// A port that nothing listens on: bound and given back.
pub(crate) fn unused_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
