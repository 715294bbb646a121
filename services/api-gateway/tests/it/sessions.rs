//! Cookies, tokens and how long an exchange is believed.

use reqwest::Method;
use serde_json::json;
use time::Duration;
use yard_contracts::identity::v1::{LoginResponse, LogoutResponse, Me};
use yard_testkit::eventually;

use crate::support::{Fixture, OWNER, VIEWER, problem};

#[tokio::test]
async fn login_sets_and_logout_clears_the_cookie_by_metadata_alone() {
    let gateway = Fixture::start().await;
    let set = [("yard-set-session", "yst_abc;3600")];
    gateway.services.answers_with("login", &LoginResponse::default(), &set);
    gateway.services.answers_with(
        "logout",
        &LogoutResponse::default(),
        &[("yard-set-session", ";0")],
    );
    let login = gateway
        .request(Method::POST, "/api/v1/sessions")
        .header("x-yard-csrf", "1")
        .json(&json!({"email": "a@b", "password": "p"}));
    let response = login.send().await.unwrap();
    assert_eq!(
        response.headers()["set-cookie"],
        "__Host-yard_session=yst_abc; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"
    );
    assert!(!response.text().await.unwrap().contains("yst_abc"));
    let logout = gateway.browser(Method::DELETE, "/api/v1/sessions/current", OWNER);
    assert_eq!(
        logout.send().await.unwrap().headers()["set-cookie"],
        "__Host-yard_session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
    );
}

#[tokio::test]
async fn cookie_that_has_ended_is_refused_and_cleared() {
    let gateway = Fixture::start().await;
    for token in ["yst_gone", "no-token-of-ours"] {
        let response = gateway.browser(Method::GET, "/api/v1/me", token).send().await.unwrap();
        assert!(response.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
        problem(response, 401, "auth.session_expired").await;
    }
    let foreign = gateway.get("/api/v1/me").header("authorization", "Basic eDp5").send();
    problem(foreign.await.unwrap(), 401, "auth.token_invalid").await;
    assert_eq!(gateway.services.count("exchange_session"), 1);
}

#[tokio::test]
async fn exchange_is_shared_for_two_seconds_and_no_longer() {
    let gateway = Fixture::start().await;
    gateway.services.answers("get_me", &Me::default());
    let me = || gateway.browser(Method::GET, "/api/v1/me", OWNER).send();
    let together = futures::future::join_all((0..20).map(|_| me())).await;
    assert!(together.into_iter().all(|response| response.unwrap().status() == 200));
    assert_eq!(gateway.services.count("exchange_session"), 1);
    gateway.clock.advance(Duration::milliseconds(1_999));
    assert_eq!(me().await.unwrap().status(), 200);
    assert_eq!(gateway.services.count("exchange_session"), 1);
    gateway.clock.advance(Duration::milliseconds(1));
    assert_eq!(me().await.unwrap().status(), 200);
    assert_eq!(gateway.services.count("exchange_session"), 2);
    let other = gateway.browser(Method::GET, "/api/v1/me", VIEWER).send().await.unwrap();
    assert_eq!((other.status().as_u16(), gateway.services.count("exchange_session")), (200, 3));
}

#[tokio::test]
async fn logout_forgets_the_exchange_at_once() {
    let gateway = Fixture::start().await;
    gateway.services.answers("get_me", &Me::default());
    gateway.services.answers_with(
        "logout",
        &LogoutResponse::default(),
        &[("yard-set-session", ";0")],
    );
    let call = |method, path| gateway.browser(method, path, OWNER).send();
    assert_eq!(call(Method::GET, "/api/v1/me").await.unwrap().status(), 200);
    assert_eq!(call(Method::DELETE, "/api/v1/sessions/current").await.unwrap().status(), 200);
    assert_eq!(gateway.services.count("exchange_session"), 1);
    assert_eq!(call(Method::GET, "/api/v1/me").await.unwrap().status(), 200);
    assert_eq!(gateway.services.count("exchange_session"), 2);
}

#[tokio::test]
async fn public_call_needs_no_session_and_ignores_a_dead_one() {
    let gateway = Fixture::start().await;
    gateway.services.answers("login", &LoginResponse::default());
    let login = gateway.browser(Method::POST, "/api/v1/sessions", "yst_gone").json(&json!({}));
    assert_eq!(login.send().await.unwrap().status(), 200);
    assert_eq!(gateway.services.last("login").text("authorization"), None);
}

#[tokio::test]
async fn cached_exchange_is_dropped_when_the_feed_says_that_its_person_has_changed() {
    let gateway = Fixture::start().await;
    gateway.services.answers("get_me", &Me::default());
    let me = || async { gateway.browser(Method::GET, "/api/v1/me", OWNER).send().await.unwrap() };
    assert_eq!(me().await.status(), 200);
    assert_eq!(me().await.status(), 200);
    assert_eq!(gateway.services.count("exchange_session"), 1);
    // The gateway's clock stands still: only the feed can make it ask again.
    gateway.change_everybody().await;
    eventually(std::time::Duration::from_secs(2), || async {
        assert_eq!(me().await.status(), 200, "the session itself still stands");
        gateway.services.count("exchange_session") == 2
    })
    .await;
    assert_eq!(me().await.status(), 200);
    assert_eq!(gateway.services.count("exchange_session"), 2, "and the new one is kept");
}

#[tokio::test]
async fn api_token_is_asked_about_as_a_bearer_and_never_as_a_cookie() {
    let gateway = Fixture::start().await;
    let asked = || gateway.services.count("exchange_session");
    let bearer = gateway.signed(Method::GET, "/api/v1/me", "ypt_a_b_c").send().await.unwrap();
    // The scripted auth knows no such token; that it was asked is what counts.
    problem(bearer, 401, "auth.session_expired").await;
    assert_eq!(asked(), 1);
    let cookie = gateway.browser(Method::GET, "/api/v1/me", "ypt_a_b_c").send().await.unwrap();
    problem(cookie, 401, "auth.session_expired").await;
    let shape = gateway.signed(Method::GET, "/api/v1/me", "ypt_a-b").send().await.unwrap();
    problem(shape, 401, "auth.token_invalid").await;
    assert_eq!(asked(), 1);
}
