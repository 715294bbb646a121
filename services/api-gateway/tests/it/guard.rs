//! Bans, maintenance, proxies and what of a caller's own headers passes.

use std::time::Duration;

use reqwest::{Method, Response};
use time::OffsetDateTime;
use yard_contracts::guard::v1::{Ban, BanKind, Maintenance, ReportAbuseRequest};
use yard_contracts::identity::v1::{LoginResponse, Me};
use yard_contracts::values::timestamp;
use yard_ids::Clock as _;

use crate::support::{ADMIN, DEVICE, Fixture, OWNER, VIEWER, problem, session_of};

/// A change has to be in force within this time.
const SOON: Duration = Duration::from_secs(2);

async fn guarded() -> Fixture {
    let gateway = Fixture::with(|c| c.http.trusted_proxies = vec!["127.0.0.1".to_owned()]).await;
    gateway.services.answers("get_me", &Me::default());
    gateway.services.answers("login", &LoginResponse::default());
    gateway.services.answers("get_maintenance", &Maintenance::default());
    gateway
}

async fn get(gateway: &Fixture, path: &str, session: Option<&str>, from: &str) -> Response {
    let request = gateway.get(path).header("x-forwarded-for", from);
    let request = match session {
        Some(session) => request.bearer_auth(session),
        None => request,
    };
    request.send().await.unwrap()
}

async fn until_status(gateway: &Fixture, session: Option<&str>, from: &str, status: u16) {
    yard_testkit::eventually(SOON, || async {
        get(gateway, "/api/v1/me", session, from).await.status() == status
    })
    .await;
}

fn ban(kind: BanKind, subject: &str, until: OffsetDateTime, automatic: bool) -> Ban {
    Ban {
        kind: kind.into(),
        subject: subject.to_owned(),
        expires_at: Some(timestamp(until)),
        automatic,
        ..Ban::default()
    }
}

#[tokio::test]
async fn banned_network_is_refused_everything_but_probes_within_two_seconds() {
    let gateway = guarded().await;
    let until = gateway.clock.now() + time::Duration::hours(1);
    gateway.services.guards(vec![ban(BanKind::Address, "192.0.2.0/24", until, false)], None);
    until_status(&gateway, Some(OWNER), "192.0.2.9", 403).await;
    for path in ["/api/v1/me", "/api/openapi.json", "/", "/errors", "/app/key"] {
        let refused = get(&gateway, path, Some(OWNER), "192.0.2.77").await;
        let body = problem(refused, 403, "access.banned").await;
        assert!(body["detail"].as_str().unwrap().contains("until"), "{body}");
    }
    assert_eq!(get(&gateway, "/livez", None, "192.0.2.77").await.status(), 200);
    assert_eq!(get(&gateway, "/api/v1/me", Some(OWNER), "192.0.3.1").await.status(), 200);
    gateway.clock.advance(time::Duration::hours(1));
    assert_eq!(get(&gateway, "/errors", None, "192.0.2.77").await.status(), 200);
}

#[tokio::test]
async fn banned_person_is_refused_from_everywhere() {
    let gateway = guarded().await;
    let until = gateway.clock.now() + time::Duration::hours(1);
    gateway.services.guards(vec![ban(BanKind::Person, DEVICE, until, false)], None);
    until_status(&gateway, Some(OWNER), "192.0.2.9", 403).await;
    let refused = get(&gateway, "/api/v1/me", Some(OWNER), "198.51.100.1").await;
    problem(refused, 403, "access.banned").await;
}

#[tokio::test]
async fn banned_session_is_refused_and_others_of_the_person_are_not() {
    let gateway = guarded().await;
    let until = gateway.clock.now() + time::Duration::hours(1);
    let session = session_of("owner").to_string();
    gateway.services.guards(vec![ban(BanKind::Token, &session, until, false)], None);
    until_status(&gateway, Some(OWNER), "192.0.2.9", 403).await;
    assert_eq!(get(&gateway, "/api/v1/me", Some(VIEWER), "192.0.2.9").await.status(), 200);
}

#[tokio::test]
async fn automatic_ban_refuses_strangers_and_lets_callers_with_a_session_through() {
    let gateway = guarded().await;
    let until = gateway.clock.now() + time::Duration::minutes(1);
    gateway.services.guards(vec![ban(BanKind::Address, "192.0.2.9", until, true)], None);
    until_status(&gateway, None, "192.0.2.9", 403).await;
    assert_eq!(get(&gateway, "/api/v1/me", Some(OWNER), "192.0.2.9").await.status(), 200);
}

#[tokio::test]
async fn proxy_of_ours_is_never_banned_itself() {
    let gateway = guarded().await;
    let until = gateway.clock.now() + time::Duration::hours(1);
    let bans = vec![
        ban(BanKind::Address, "127.0.0.0/8", until, false),
        ban(BanKind::Address, "192.0.2.9", until, false),
    ];
    gateway.services.guards(bans, None);
    until_status(&gateway, Some(OWNER), "192.0.2.9", 403).await;
    assert_eq!(
        gateway.signed(Method::GET, "/api/v1/me", OWNER).send().await.unwrap().status(),
        200
    );
}

#[tokio::test]
async fn address_that_is_refused_too_often_is_kept_out_at_once_and_reported() {
    let gateway = Fixture::with(|c| {
        c.http.trusted_proxies = vec!["127.0.0.1".to_owned()];
        c.bans.refusals = 5;
    })
    .await;
    for _ in 0..6 {
        let answer = get(&gateway, "/api/nothing", None, "192.0.2.9").await;
        problem(answer, 404, "route.not_found").await;
    }
    problem(get(&gateway, "/api/nothing", None, "192.0.2.9").await, 403, "access.banned").await;
    yard_testkit::eventually(SOON, || async { gateway.services.count("report_abuse") == 1 }).await;
    let report: ReportAbuseRequest = gateway.services.last("report_abuse").message();
    assert_eq!(report.address, "192.0.2.9");
    // The rest of the world goes on.
    problem(get(&gateway, "/api/nothing", None, "192.0.2.8").await, 404, "route.not_found").await;
}

#[tokio::test]
async fn maintenance_turns_everybody_away_but_operators_sign_ins_and_probes() {
    let gateway = guarded().await;
    let maintenance = Maintenance {
        active: true,
        reason: "A new disk.".to_owned(),
        until: Some(timestamp(gateway.clock.now() + time::Duration::seconds(90))),
        ..Maintenance::default()
    };
    let since = std::time::Instant::now();
    gateway.services.guards(Vec::new(), Some(maintenance));
    until_status(&gateway, Some(OWNER), "192.0.2.9", 503).await;
    assert!(since.elapsed() < SOON);
    for (path, session) in [
        ("/api/v1/me", Some(OWNER)),
        ("/api/v1/me", None),
        ("/api/v1/me", Some("yst_gone")),
        ("/.well-known/jwks.json", None),
        ("/api/ops/v1/maintenance", Some(OWNER)),
    ] {
        let refused = get(&gateway, path, session, "192.0.2.9").await;
        assert_eq!(refused.headers()["retry-after"], "90", "{path}");
        let body = problem(refused, 503, "service.maintenance").await;
        assert!(body["detail"].as_str().unwrap().starts_with("A new disk."), "{body}");
    }
    for path in ["/livez", "/readyz", "/errors/service.maintenance", "/api/openapi.json"] {
        assert_eq!(get(&gateway, path, None, "192.0.2.9").await.status(), 200, "{path}");
    }
    for path in ["/api/v1/me", "/api/ops/v1/maintenance"] {
        assert_eq!(get(&gateway, path, Some(ADMIN), "192.0.2.9").await.status(), 200, "{path}");
    }
    let login = gateway.request(Method::POST, "/api/v1/sessions").header("x-yard-csrf", "1");
    let login = login.json(&serde_json::json!({"email": "a@b", "password": "p"})).send();
    assert_eq!(login.await.unwrap().status(), 200);
    gateway.services.guards(Vec::new(), Some(Maintenance::default()));
    until_status(&gateway, Some(OWNER), "192.0.2.9", 200).await;
}

#[tokio::test]
async fn bans_hold_on_while_auth_does_not_answer() {
    let gateway = guarded().await;
    let until = gateway.clock.now() + time::Duration::hours(1);
    gateway.services.guards(vec![ban(BanKind::Address, "192.0.2.9", until, false)], None);
    until_status(&gateway, Some(OWNER), "192.0.2.9", 403).await;
    gateway.log.expect("the last known hold");
    gateway.services.guards_fail(true);
    let noticed = || async { gateway.log.contains("the last known hold") };
    yard_testkit::eventually(Duration::from_secs(20), noticed).await;
    assert_eq!(get(&gateway, "/", None, "192.0.2.9").await.status(), 403);
}

#[tokio::test]
async fn nothing_of_the_callers_own_identity_headers_passes() {
    let gateway = guarded().await;
    let request = gateway.signed(Method::GET, "/api/v1/me", OWNER);
    let request = [
        ("x-tenant-id", "evil"),
        ("tenant", "evil"),
        ("yard-client-ip", "6.6.6.6"),
        ("yard-request-id", "evil"),
        ("yard-peer-ip", "6.6.6.6"),
        ("yard-set-session", "yst_evil;60"),
        ("x-real-ip", "6.6.6.6"),
        ("forwarded", "for=6.6.6.6"),
        ("x-forwarded-for", "6.6.6.6, 203.0.113.9"),
    ]
    .into_iter()
    .fold(request, |request, (name, value)| request.header(name, value));
    assert_eq!(request.send().await.unwrap().status(), 200);
    let seen = gateway.services.last("get_me");
    assert_eq!(seen.text("yard-client-ip"), Some("203.0.113.9"));
    let text = format!("{:?}", seen.metadata);
    assert!(!text.contains("evil") && !text.contains("6.6.6.6"), "{text}");
}

#[tokio::test]
async fn operators_see_how_their_address_came_about() {
    let gateway = guarded().await;
    let request = gateway.signed(Method::GET, "/api/ops/v1/maintenance", ADMIN);
    let request = request.header("x-forwarded-for", "6.6.6.6, 203.0.113.9");
    assert_eq!(request.send().await.unwrap().status(), 200);
    let seen = gateway.services.last("get_maintenance");
    assert_eq!(seen.text("yard-client-ip"), Some("203.0.113.9"));
    assert_eq!(seen.text("yard-peer-ip"), Some("127.0.0.1"));
    assert_eq!(seen.text("yard-peer-trusted"), Some("true"));
    assert_eq!(seen.text("yard-forwarded-header"), Some("x-forwarded-for"));
    assert_eq!(seen.text("yard-forwarded"), Some("6.6.6.6,203.0.113.9"));
}

#[tokio::test]
async fn what_a_proxy_got_without_https_is_sent_to_https() {
    let gateway = Fixture::with(|c| {
        c.http.trusted_proxies = vec!["127.0.0.1".to_owned()];
        c.http.public_https = true;
    })
    .await;
    let ask = |proto: &'static str| {
        let request = gateway.request(Method::POST, "/api/v1/sessions?a=b");
        request.header("host", "yard.example").header("x-forwarded-proto", proto).send()
    };
    let answer = ask("http").await.unwrap();
    assert_eq!(answer.status(), 308);
    assert_eq!(answer.headers()["location"], "https://yard.example/api/v1/sessions?a=b");
    assert_ne!(ask("https").await.unwrap().status(), 308);
    // Only a proxy's word counts, and probes come without HTTPS.
    gateway.log.expect("share one address");
    let direct = Fixture::with(|c| c.http.public_https = true).await;
    direct.log.expect("share one address");
    let answer = direct.get("/errors").header("x-forwarded-proto", "http").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let probe = gateway.get("/livez").header("x-forwarded-proto", "http").send().await.unwrap();
    assert_eq!(probe.status(), 200);
}
