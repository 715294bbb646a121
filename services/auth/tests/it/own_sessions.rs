//! Sessions as their owner sees them, and how they end.

use std::time::Duration as Patience;

use time::Duration;
use tonic::Request;
use yard_authn::TokenError;
use yard_contracts::identity::v1 as wire;
use yard_fault::Code;
use yard_ids::Clock as _;
use yard_testkit::{eventually, logs};

use crate::oauth::Party;
use crate::support::{Auth, PASSWORD, bearer, code, credentials};

const TOLD: Patience = Patience::from_secs(20);

async fn list(auth: &Auth, token: &str) -> Vec<wire::Session> {
    let request = bearer(wire::ListSessionsRequest::default(), token);
    auth.sessions().list_sessions(request).await.unwrap().into_inner().sessions
}

pub(crate) async fn state(auth: &Auth, session: &str) -> Option<Code> {
    code(auth.exchange(session).await.map(tonic::Response::new))
}

#[tokio::test]
async fn sessions_are_listed_with_what_tells_them_apart() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let mut request = Request::new(credentials("owner@example.org", PASSWORD, ""));
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    for (name, text) in [("yard-client-ip", "203.0.113.77"), ("yard-user-agent", agent)] {
        request.metadata_mut().insert(name, text.parse().unwrap());
    }
    let first = auth.sessions().login(request).await.unwrap().into_inner().session_token;
    auth.clock.advance(Duration::seconds(59));
    auth.exchange(&first).await.unwrap();
    let second = auth.session("owner@example.org", "").await;
    auth.session("viewer@example.org", "").await;
    let token = auth.exchange(&second).await.unwrap();
    let sessions = list(&auth, &token).await;
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    let (newest, oldest) = (&sessions[0], &sessions[1]);
    assert!(newest.current && !oldest.current);
    assert_eq!(
        (oldest.client.as_str(), oldest.network.as_str()),
        ("Firefox on Linux", "203.0.113.0/24")
    );
    assert_eq!((oldest.tenant_slug.as_str(), oldest.application.as_str()), ("acme", ""));
    assert_eq!(oldest.amr, ["pwd"]);
    // Uses within a minute are one.
    assert_eq!(oldest.last_used_at, oldest.created_at);
    auth.clock.advance(Duration::seconds(1));
    auth.exchange(&first).await.unwrap();
    let used = list(&auth, &token).await[1].last_used_at.unwrap().seconds;
    assert_eq!(used, auth.clock.now().unix_timestamp());
    auth.finish().await;
}

#[tokio::test]
async fn sessions_are_listed_page_by_page() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    for _ in 0..3 {
        auth.session("owner@example.org", "").await;
    }
    let token = auth.access("owner@example.org", "").await;
    let page = async |page_size: i32, page_token: &str| {
        let request = wire::ListSessionsRequest { page_size, page_token: page_token.to_owned() };
        auth.sessions().list_sessions(bearer(request, &token)).await
    };
    let (mut ids, mut next) = (Vec::new(), String::new());
    loop {
        let answer = page(2, &next).await.unwrap().into_inner();
        ids.extend(answer.sessions.into_iter().map(|session| session.session_id));
        next = answer.next_page_token;
        if next.is_empty() {
            break;
        }
    }
    let all: Vec<_> = list(&auth, &token).await.into_iter().map(|s| s.session_id).collect();
    assert_eq!((ids.len(), ids), (4, all));
    assert_eq!(code(page(201, "").await), Some(Code::RequestInvalid));
    assert_eq!(code(page(2, "nonsense").await), Some(Code::PageTokenInvalid));
    auth.finish().await;
}

#[tokio::test]
async fn sessions_are_ended_one_by_one_and_all_others_by_their_owner_only() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let (one, two, three) = (
        auth.session("owner@example.org", "").await,
        auth.session("owner@example.org", "").await,
        auth.session("owner@example.org", "").await,
    );
    let viewer = auth.session("viewer@example.org", "").await;
    let token = auth.exchange(&three).await.unwrap();
    let viewers = auth.exchange(&viewer).await.unwrap();
    let first = list(&auth, &token).await[2].session_id.clone();
    let end = async |id: &str, token: &str| {
        let request = wire::RevokeSessionRequest { session_id: id.to_owned() };
        code(auth.sessions().revoke_session(bearer(request, token)).await)
    };
    let unknown = Some(Code::ResourceNotFound);
    assert_eq!(end(&first, &viewers).await, unknown);
    assert_eq!(end("no-uuid", &token).await, unknown);
    assert_eq!(state(&auth, &one).await, None);
    let ones = auth.exchange(&one).await.unwrap();
    assert!(follower.verify(&ones).is_ok());
    assert_eq!((end(&first, &token).await, end(&first, &token).await), (None, None));
    assert_eq!(state(&auth, &one).await, Some(Code::AuthSessionExpired));
    // Told to every service, whose sockets and caches let go of it.
    let told = async || matches!(follower.verify(&ones), Err(TokenError::Revoked));
    eventually(TOLD, told).await;

    let others = bearer(wire::RevokeOtherSessionsRequest {}, &token);
    let ended = auth.sessions().revoke_other_sessions(others).await.unwrap().into_inner();
    assert_eq!(ended.ended, 1);
    assert_eq!(state(&auth, &two).await, Some(Code::AuthSessionExpired));
    assert_eq!((state(&auth, &three).await, state(&auth, &viewer).await), (None, None));
    // One's own ends like a sign-out.
    let own = list(&auth, &token).await[0].session_id.clone();
    let request = bearer(wire::RevokeSessionRequest { session_id: own }, &token);
    let answer = auth.sessions().revoke_session(request).await.unwrap();
    assert_eq!(answer.metadata().get("yard-set-session").unwrap(), ";0");
    assert_eq!(state(&auth, &three).await, Some(Code::AuthSessionExpired));
    auth.finish().await;
}

#[tokio::test]
async fn sessions_of_a_member_are_ended_in_this_tenant_only() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let acme = auth.session("both@example.org", "acme").await;
    let byte = auth.session("both@example.org", "byte").await;
    let owner = auth.access("owner@example.org", "").await;
    let viewer = auth.access("viewer@example.org", "").await;
    let (both, bob) = (auth.person("both").await, auth.person("bob").await);
    let end = async |id: &str, token: &str| {
        let request = wire::RevokeMemberSessionsRequest { principal_id: id.to_owned() };
        let answer = auth.sessions().revoke_member_sessions(bearer(request, token)).await;
        answer.map(|answer| answer.into_inner().ended).map_err(|s| code::<()>(Err(s)))
    };
    assert_eq!(end(&both, &viewer).await, Err(Some(Code::AuthForbidden)));
    assert_eq!(end(&bob, &owner).await, Err(Some(Code::ResourceNotFound)));
    assert_eq!(end("no-uuid", &owner).await, Err(Some(Code::ResourceNotFound)));
    assert_eq!(end(&both, &owner).await, Ok(1));
    assert_eq!(state(&auth, &acme).await, Some(Code::AuthSessionExpired));
    assert_eq!(state(&auth, &byte).await, None);
    auth.finish().await;
}

#[tokio::test]
async fn session_ends_when_nobody_uses_it() {
    let _log = logs::capture();
    let idle = |config: &mut auth::Config| config.sessions.idle = Patience::from_secs(600);
    let party = Party::over(Auth::start_with(idle).await).await;
    let auth = &party.auth;
    // What an application was granted has an end of its own.
    let granted = party.grant("openid offline_access").await;
    let listed: Vec<_> = list(auth, &party.person).await;
    assert_eq!([&listed[0].application, &listed[1].application], ["App", ""]);
    let used = auth.session("viewer@example.org", "").await;
    let left = auth.session("viewer@example.org", "").await;
    auth.clock.advance(Duration::seconds(599));
    assert_eq!((state(auth, &used).await, state(auth, &left).await), (None, None));
    auth.clock.advance(Duration::seconds(599));
    assert_eq!(state(auth, &used).await, None);
    auth.clock.advance(Duration::seconds(1));
    assert_eq!(state(auth, &left).await, Some(Code::AuthSessionExpired));
    assert_eq!(state(auth, &used).await, None);
    // It is ended for everybody, so that its sockets close; the person who let the application in
    // was idle too.
    let standing = "select count(*) from platform.sessions where revoked_at is null";
    eventually(TOLD, async || auth.db.sql(standing).await.trim() == "2").await;
    assert_eq!(state(auth, &used).await, None);
    let refreshed = party.refresh(granted["refresh_token"].as_str().unwrap()).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.json);
    party.auth.finish().await;
}
