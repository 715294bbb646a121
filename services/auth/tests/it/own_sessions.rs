//! Sessions as their owner sees them, step-up, and a changed password.

use time::Duration;
use tonic::Request;
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::SessionDelivery;
use yard_fault::Code;
use yard_ids::Clock as _;
use yard_testkit::{eventually, logs};

use crate::factor_support::Person;
use crate::required_factor::settled;
use crate::support::{Auth, PASSWORD, bearer, code, credentials};

async fn list(auth: &Auth, token: &str) -> Vec<wire::Session> {
    let request = bearer(wire::ListSessionsRequest::default(), token);
    auth.sessions().list_sessions(request).await.unwrap().into_inner().sessions
}

async fn state(auth: &Auth, session: &str) -> Option<Code> {
    code(auth.exchange(session).await.map(tonic::Response::new))
}

fn again(password: &str, totp_code: &str) -> wire::ReauthenticateRequest {
    wire::ReauthenticateRequest {
        password: password.to_owned(),
        totp_code: totp_code.to_owned(),
        recovery_code: String::new(),
        delivery: SessionDelivery::Token.into(),
    }
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
    assert_eq!((oldest.tenant_slug.as_str(), &oldest.amr[..]), ("acme", &["pwd".to_owned()][..]));
    // Uses within a minute are one.
    assert_eq!(oldest.last_used_at, oldest.created_at);
    auth.clock.advance(Duration::seconds(1));
    auth.exchange(&first).await.unwrap();
    let used = list(&auth, &token).await[1].last_used_at.unwrap().seconds;
    assert_eq!(used, auth.clock.now().unix_timestamp());
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
    assert_eq!((end(&first, &token).await, end(&first, &token).await), (None, None));
    assert_eq!(state(&auth, &one).await, Some(Code::AuthSessionExpired));
    eventually(std::time::Duration::from_secs(20), async || follower.verify(&ones).is_err()).await;

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
    let id = "select principal_id from platform.people where email = ";
    let both = auth.db.sql(&format!("{id}'both@example.org'")).await.trim().to_owned();
    let bob = auth.db.sql(&format!("{id}'bob@example.org'")).await.trim().to_owned();
    let end = async |id: &str, token: &str| {
        let request = wire::RevokeMemberSessionsRequest { principal_id: id.to_owned() };
        let answer = auth.sessions().revoke_member_sessions(bearer(request, token)).await;
        answer.map(|answer| answer.into_inner().ended).map_err(|s| code::<()>(Err(s)))
    };
    assert_eq!(end(&both, &viewer).await, Err(Some(Code::AuthForbidden)));
    assert_eq!(end(&bob, &owner).await, Err(Some(Code::ResourceNotFound)));
    assert_eq!(end(&both, &owner).await, Ok(1));
    assert_eq!(state(&auth, &acme).await, Some(Code::AuthSessionExpired));
    assert_eq!(state(&auth, &byte).await, None);
    auth.finish().await;
}

#[tokio::test]
async fn session_ends_when_nobody_uses_it() {
    let _log = logs::capture();
    let auth = Auth::start_with(|config| {
        config.sessions.idle = std::time::Duration::from_secs(600);
    })
    .await;
    let (used, left) =
        (auth.session("owner@example.org", "").await, auth.session("owner@example.org", "").await);
    auth.clock.advance(Duration::seconds(599));
    assert_eq!((state(&auth, &used).await, state(&auth, &left).await), (None, None));
    auth.clock.advance(Duration::seconds(599));
    assert_eq!(state(&auth, &used).await, None);
    auth.clock.advance(Duration::seconds(1));
    assert_eq!(state(&auth, &left).await, Some(Code::AuthSessionExpired));
    assert_eq!(state(&auth, &used).await, None);
    // It is told to everybody, so that its sockets close.
    let ended = "select count(*) from platform.sessions where revoked_at is not null";
    eventually(std::time::Duration::from_secs(20), async || auth.db.sql(ended).await.trim() == "1")
        .await;
    auth.finish().await;
}

#[tokio::test]
async fn proof_shown_again_renews_the_session_and_its_token() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let session = auth.session("owner@example.org", "").await;
    auth.clock.advance(Duration::seconds(601));
    let token = auth.exchange(&session).await.unwrap();
    let sensitive = async |token: &str| {
        let request = bearer(wire::BeginTotpEnrollmentRequest {}, token);
        code(auth.factors().begin_totp_enrollment(request).await)
    };
    assert_eq!(sensitive(&token).await, Some(Code::AuthStepUpRequired));
    let wrong = auth.sessions().reauthenticate(bearer(again("wrong horse", ""), &token)).await;
    assert_eq!(code(wrong), Some(Code::AuthInvalidCredentials));
    let none = auth.sessions().reauthenticate(bearer(again("", ""), &token)).await;
    assert_eq!(code(none), Some(Code::RequestInvalid));
    let answer = auth.sessions().reauthenticate(bearer(again(PASSWORD, ""), &token)).await;
    let answer = answer.unwrap();
    assert_eq!(answer.metadata().get("yard-session-changed").unwrap(), "1");
    let renewed = answer.into_inner().session_token;
    assert_ne!(renewed, session);
    let token = auth.exchange(&renewed).await.unwrap();
    assert_eq!(auth.claims(&token).auth_time, Some(auth.clock.now().unix_timestamp()));
    assert_eq!(sensitive(&token).await, None);
    // The token before is good for what was under way.
    auth.clock.advance(Duration::seconds(9));
    assert_eq!(state(&auth, &session).await, None);
    auth.clock.advance(Duration::seconds(1));
    assert_eq!(state(&auth, &session).await, Some(Code::AuthSessionExpired));
    assert_eq!(state(&auth, &renewed).await, None);

    let cookie = wire::ReauthenticateRequest { delivery: 0, ..again(PASSWORD, "") };
    let answer = auth.sessions().reauthenticate(bearer(cookie, &token)).await.unwrap();
    let cookie = answer.metadata().get("yard-set-session").unwrap().to_str().unwrap();
    let (in_cookie, age) = cookie.split_once(';').unwrap();
    assert_eq!(age, (3_600 - 611).to_string());
    assert_eq!(answer.get_ref().session_token, "");
    assert_eq!(state(&auth, in_cookie).await, None);
    auth.finish().await;
}

#[tokio::test]
async fn factor_shown_in_a_session_that_lacks_it_makes_it_whole() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let both = Person::enrolled(&auth, "both@example.org", "acme").await;
    // As one that was opened elsewhere, without the factor.
    auth.db.sql("update platform.sessions set amr = '{pwd}'").await;
    auth.db.sql("update platform.tenants set second_factor_required = true").await;
    let token = settled(&auth, &both.session).await.0;
    assert!(auth.claims(&token).lacks_factor);
    let password = auth.sessions().reauthenticate(bearer(again(PASSWORD, ""), &token)).await;
    let renewed = password.unwrap().into_inner().session_token;
    let token = auth.exchange(&renewed).await.unwrap();
    assert!(auth.claims(&token).lacks_factor);
    let wrong = both.app.wrong(auth.clock.now());
    let refused = auth.sessions().reauthenticate(bearer(again("", &wrong), &token)).await;
    assert_eq!(code(refused), Some(Code::AuthFactorInvalid));
    let right = again("", &both.code(&auth));
    let answer = auth.sessions().reauthenticate(bearer(right, &token)).await.unwrap();
    let token = auth.exchange(&answer.into_inner().session_token).await.unwrap();
    let claims = auth.claims(&token);
    assert!(!claims.lacks_factor && !claims.permissions.is_empty());
    assert_eq!(claims.amr, ["mfa", "otp", "pwd"]);
    auth.finish().await;
}

#[tokio::test]
async fn changed_password_is_checked_and_ends_the_other_sessions() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (other, own) =
        (auth.session("owner@example.org", "").await, auth.session("owner@example.org", "").await);
    let token = auth.exchange(&own).await.unwrap();
    let change = async |current: &str, new: &str| {
        let request = wire::ChangePasswordRequest {
            current_password: current.to_owned(),
            new_password: new.to_owned(),
        };
        let answer = auth.sessions().change_password(bearer(request, &token)).await;
        answer.map(|answer| answer.into_inner().ended).map_err(|s| code::<()>(Err(s)))
    };
    let invalid = Err(Some(Code::RequestInvalid));
    let new = "another horse battery";
    assert_eq!(change("wrong horse", new).await, Err(Some(Code::AuthInvalidCredentials)));
    for unusable in ["", "eleven char", PASSWORD, "owner@example.org", &"x".repeat(1_025)] {
        assert_eq!(change(PASSWORD, unusable).await, invalid, "{unusable}");
    }
    assert_eq!(state(&auth, &other).await, None);
    assert_eq!(change(PASSWORD, new).await, Ok(1));
    assert_eq!(state(&auth, &other).await, Some(Code::AuthSessionExpired));
    assert_eq!(state(&auth, &own).await, None);
    let old = auth.sessions().login(credentials("owner@example.org", PASSWORD, "")).await;
    assert_eq!(code(old), Some(Code::AuthInvalidCredentials));
    auth.sessions().login(credentials("owner@example.org", new, "")).await.unwrap();
    auth.finish().await;
}
