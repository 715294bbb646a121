//! Step-up within a session, and a changed password.

use time::Duration;
use tonic::{Response, Status};
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::SessionDelivery;
use yard_fault::{Code, Fault};
use yard_ids::Clock as _;
use yard_pg::{Actor, PlatformTx};
use yard_runtime::Secret;
use yard_testkit::{eventually, logs};

use crate::factor_support::{Person, complete};
use crate::own_sessions::state;
use crate::required_factor::settled;
use crate::support::{Auth, PASSWORD, bearer, code, credentials};

const NEW: &str = "another horse battery";
const INVALID: Option<Code> = Some(Code::AuthInvalidCredentials);
const THROTTLED: Option<Code> = Some(Code::AuthThrottled);

pub(crate) fn again(password: &str, totp: &str, recovery: &str) -> wire::ReauthenticateRequest {
    wire::ReauthenticateRequest {
        password: password.to_owned(),
        totp_code: totp.to_owned(),
        recovery_code: recovery.to_owned(),
        delivery: SessionDelivery::Token.into(),
        passkey: None,
    }
}

pub(crate) async fn prove(
    auth: &Auth,
    token: &str,
    proof: wire::ReauthenticateRequest,
) -> Result<Response<wire::ReauthenticateResponse>, Status> {
    auth.sessions().reauthenticate(bearer(proof, token)).await
}

async fn with_password(auth: &Auth, token: &str, password: &str) -> Option<Code> {
    code(prove(auth, token, again(password, "", "")).await)
}

async fn change(
    auth: &Auth,
    token: &str,
    current: &str,
    new: &str,
) -> Result<Response<wire::ChangePasswordResponse>, Status> {
    let request = wire::ChangePasswordRequest {
        current_password: current.to_owned(),
        new_password: new.to_owned(),
        delivery: SessionDelivery::Token.into(),
    };
    auth.sessions().change_password(bearer(request, token)).await
}

/// Something that asks for a proof of the last ten minutes.
async fn sensitive(auth: &Auth, token: &str) -> Option<Code> {
    let request = bearer(wire::BeginTotpEnrollmentRequest {}, token);
    code(auth.factors().begin_totp_enrollment(request).await)
}

async fn make_token(
    auth: &Auth,
    token: &str,
) -> Result<Response<wire::CreateApiTokenResponse>, Status> {
    let request = wire::CreateApiTokenRequest {
        name: "robot".to_owned(),
        abilities: vec!["devices.read".to_owned()],
        expires_in_days: 1,
    };
    auth.tokens().create_api_token(bearer(request, token)).await
}

#[tokio::test]
async fn proof_shown_again_renews_the_session_and_its_token() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let session = auth.session("owner@example.org", "").await;
    auth.clock.advance(Duration::seconds(601));
    let token = auth.exchange(&session).await.unwrap();
    assert_eq!(sensitive(&auth, &token).await, Some(Code::AuthStepUpRequired));
    assert_eq!(with_password(&auth, &token, "wrong horse").await, INVALID);
    assert_eq!(with_password(&auth, &token, "").await, Some(Code::RequestInvalid));
    let answer = prove(&auth, &token, again(PASSWORD, "", "")).await.unwrap();
    assert_eq!(answer.metadata().get("yard-session-changed").unwrap(), "1");
    assert!(answer.metadata().get("yard-set-session").is_none());
    let renewed = answer.into_inner().session_token;
    assert_ne!(renewed, session);
    let token = auth.exchange(&renewed).await.unwrap();
    assert_eq!(auth.claims(&token).auth_time, Some(auth.clock.now().unix_timestamp()));
    assert_eq!(sensitive(&auth, &token).await, None);
    // The token before is good for what was under way, and has no part in what was proved.
    auth.clock.advance(Duration::seconds(9));
    let copied = auth.exchange(&session).await.unwrap();
    assert_eq!(sensitive(&auth, &copied).await, Some(Code::AuthStepUpRequired));
    auth.clock.advance(Duration::seconds(1));
    assert_eq!(state(&auth, &session).await, Some(Code::AuthSessionExpired));
    assert_eq!(state(&auth, &renewed).await, None);

    let cookie = wire::ReauthenticateRequest { delivery: 0, ..again(PASSWORD, "", "") };
    let answer = prove(&auth, &token, cookie).await.unwrap();
    let cookie = answer.metadata().get("yard-set-session").unwrap().to_str().unwrap();
    let (in_cookie, age) = cookie.split_once(';').unwrap();
    assert_eq!(age, (3_600 - 611).to_string());
    assert_eq!(answer.get_ref().session_token, "");
    assert_eq!(state(&auth, in_cookie).await, None);
    auth.finish().await;
}

#[tokio::test]
async fn api_tokens_are_made_after_a_proof_of_the_last_hour_only() {
    let _log = logs::capture();
    let auth =
        Auth::start_with(|config| config.sessions.lifetime = std::time::Duration::from_secs(7_200))
            .await;
    let session = auth.session("owner@example.org", "").await;
    auth.clock.advance(Duration::seconds(1_800));
    auth.exchange(&session).await.unwrap();
    auth.clock.advance(Duration::seconds(1_800));
    let token = auth.exchange(&session).await.unwrap();
    assert!(make_token(&auth, &token).await.is_ok());
    auth.clock.advance(Duration::seconds(1));
    let refused = make_token(&auth, &token).await.unwrap_err();
    let fault = Fault::from_status(&refused);
    assert_eq!((fault.code(), fault.max_auth_age()), (Code::AuthStepUpRequired, Some(3_600)));
    let renewed = prove(&auth, &token, again(PASSWORD, "", "")).await.unwrap().into_inner();
    let token = auth.exchange(&renewed.session_token).await.unwrap();
    assert!(make_token(&auth, &token).await.is_ok());
    auth.finish().await;
}

#[tokio::test]
async fn whoever_has_a_second_factor_shows_it_and_each_proof_once() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let owner = Person::enrolled(&auth, "owner@example.org", "").await;
    auth.clock.advance(Duration::seconds(600));
    let token = auth.exchange(&owner.session).await.unwrap();
    assert_eq!(sensitive(&auth, &token).await, Some(Code::AuthStepUpRequired));
    // The password is what a thief has; it is not even looked at.
    let missing = Some(Code::AuthSecondFactorRequired);
    assert_eq!(with_password(&auth, &token, PASSWORD).await, missing);
    assert_eq!(with_password(&auth, &token, "wrong horse").await, missing);
    let refused = Some(Code::AuthFactorInvalid);
    let wrong = again("", &owner.app.wrong(auth.clock.now()), "");
    assert_eq!(code(prove(&auth, &token, wrong).await), refused);
    let right = again("", &owner.code(&auth), "");
    let (one, two) =
        tokio::join!(prove(&auth, &token, right.clone()), prove(&auth, &token, right.clone()));
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1, "{one:?} {two:?}");
    let renewed = one.or(two).unwrap().into_inner().session_token;
    let token = auth.exchange(&renewed).await.unwrap();
    assert_eq!(sensitive(&auth, &token).await, None);
    assert_eq!(auth.claims(&token).amr, ["mfa", "otp", "pwd"]);

    let recovery = again("", "", &owner.recovery_codes[0]);
    let renewed = prove(&auth, &token, recovery.clone()).await.unwrap().into_inner().session_token;
    let token = auth.exchange(&renewed).await.unwrap();
    assert_eq!(code(prove(&auth, &token, recovery).await), refused);
    // Of somebody without a factor no code is taken.
    let viewer = auth.access("viewer@example.org", "").await;
    assert_eq!(code(prove(&auth, &viewer, again("", "000000", "")).await), refused);
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
    let right = again("", &both.code(&auth), "");
    let renewed = prove(&auth, &token, right).await.unwrap().into_inner().session_token;
    let claims = auth.claims(&auth.exchange(&renewed).await.unwrap());
    assert!(!claims.lacks_factor && !claims.permissions.is_empty());
    assert_eq!(claims.amr, ["mfa", "otp", "pwd"]);
    // The token before stays without.
    let copied = auth.claims(&auth.exchange(&both.session).await.unwrap());
    assert!(copied.lacks_factor && copied.permissions.is_empty());
    auth.finish().await;
}

#[tokio::test]
async fn guesses_within_a_session_are_counted_apart_and_lock_nobody_out() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let stolen = auth.session("owner@example.org", "").await;
    let own = auth.session("owner@example.org", "").await;
    let thief = auth.exchange(&stolen).await.unwrap();
    let mut tries = Vec::new();
    for _ in 0..3 {
        tries.push(with_password(&auth, &thief, "wrong horse").await);
        let changed = change(&auth, &thief, "wrong horse", NEW).await;
        tries.push(code(changed));
    }
    // Five tries by either way; the sixth is one too many, even with the right password.
    assert_eq!(tries, [INVALID, INVALID, INVALID, INVALID, INVALID, THROTTLED]);
    assert_eq!(with_password(&auth, &thief, PASSWORD).await, THROTTLED);
    // The owner is let in anew, and in their own session has all tries.
    auth.session("owner@example.org", "").await;
    let token = auth.exchange(&own).await.unwrap();
    for _ in 0..4 {
        assert_eq!(with_password(&auth, &token, "wrong horse").await, INVALID);
    }
    let renewed = prove(&auth, &token, again(PASSWORD, "", "")).await.unwrap().into_inner();
    // A right one makes the count new; another token of the session does not.
    let token = auth.exchange(&renewed.session_token).await.unwrap();
    for _ in 0..5 {
        assert_eq!(with_password(&auth, &token, "wrong horse").await, INVALID);
    }
    assert_eq!(with_password(&auth, &token, PASSWORD).await, THROTTLED);
    auth.finish().await;
}

#[tokio::test]
async fn sign_ins_by_strangers_take_no_tries_of_a_session() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let token = auth.access("owner@example.org", "").await;
    for _ in 0..6 {
        let wrong = credentials("owner@example.org", "wrong horse", "");
        assert!(auth.sessions().login(wrong).await.is_err());
    }
    let right = auth.sessions().login(credentials("owner@example.org", PASSWORD, "")).await;
    assert_eq!(code(right), THROTTLED);
    assert_eq!(with_password(&auth, &token, PASSWORD).await, None);
    auth.finish().await;
}

#[tokio::test]
async fn codes_within_a_session_are_counted_and_recovery_codes_are_the_way_on() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let owner = Person::enrolled(&auth, "owner@example.org", "").await;
    let token = auth.exchange(&owner.session).await.unwrap();
    let wrong = again("", &owner.app.wrong(auth.clock.now()), "");
    for _ in 0..3 {
        let refused = code(prove(&auth, &token, wrong.clone()).await);
        assert_eq!(refused, Some(Code::AuthFactorInvalid));
    }
    let right = again("", &owner.code(&auth), "");
    assert_eq!(code(prove(&auth, &token, right).await), THROTTLED);
    let recovery = again("", "", &owner.recovery_codes[0]);
    assert_eq!(code(prove(&auth, &token, recovery).await), None);
    auth.finish().await;
}

#[tokio::test]
async fn guesses_within_a_session_are_counted_without_redis_too() {
    let log = logs::capture();
    log.expect("login limits are not available");
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let auth = Auth::start_with(|config| {
        config.redis.url = Secret::new(format!("redis://127.0.0.1:{nowhere}/0"));
    })
    .await;
    let token = auth.access("owner@example.org", "").await;
    for _ in 0..5 {
        assert_eq!(with_password(&auth, &token, "wrong horse").await, INVALID);
    }
    assert_eq!(with_password(&auth, &token, PASSWORD).await, THROTTLED);
    auth.finish().await;
}

#[tokio::test]
async fn changed_password_is_checked_and_ends_the_other_sessions() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let (other, own) =
        (auth.session("owner@example.org", "").await, auth.session("owner@example.org", "").await);
    let token = auth.exchange(&own).await.unwrap();
    let others = auth.exchange(&other).await.unwrap();
    let long = "x".repeat(1_025);
    for unusable in ["", "eleven char", PASSWORD, "owner@example.org", &long] {
        let refused = change(&auth, &token, PASSWORD, unusable).await.unwrap_err();
        let fault = Fault::from_status(&refused);
        assert_eq!(fault.code(), Code::RequestInvalid, "{unusable}");
        assert_eq!(fault.pointer(), Some("/new_password"), "{unusable}");
    }
    assert_eq!(code(change(&auth, &token, "wrong horse", NEW).await), INVALID);
    assert_eq!(state(&auth, &other).await, None);
    auth.clock.advance(Duration::seconds(1));
    let done = change(&auth, &token, PASSWORD, NEW).await.unwrap().into_inner();
    assert_eq!(done.ended, 1);
    assert_eq!(state(&auth, &other).await, Some(Code::AuthSessionExpired));
    eventually(std::time::Duration::from_secs(20), async || follower.verify(&others).is_err())
        .await;
    // Nor does a copy of this one's token last.
    assert_eq!(state(&auth, &done.session_token).await, None);
    auth.clock.advance(Duration::seconds(10));
    assert_eq!(state(&auth, &own).await, Some(Code::AuthSessionExpired));
    let old = auth.sessions().login(credentials("owner@example.org", PASSWORD, "")).await;
    assert_eq!(code(old), INVALID);
    auth.sessions().login(credentials("owner@example.org", NEW, "")).await.unwrap();
    auth.finish().await;
}

#[tokio::test]
async fn password_is_changed_with_the_second_factor_shown_lately() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let owner = Person::enrolled(&auth, "owner@example.org", "").await;
    // Signed in, with both, sixty seconds ago.
    let session = owner.sign_in(&auth, "").await;
    auth.clock.advance(Duration::seconds(541));
    let token = auth.exchange(&session).await.unwrap();
    let refused = change(&auth, &token, PASSWORD, NEW).await.unwrap_err();
    let fault = Fault::from_status(&refused);
    assert_eq!((fault.code(), fault.max_auth_age()), (Code::AuthStepUpRequired, Some(600)));
    let right = again("", &owner.code(&auth), "");
    let renewed = prove(&auth, &token, right).await.unwrap().into_inner();
    auth.clock.advance(Duration::seconds(600));
    let token = auth.exchange(&renewed.session_token).await.unwrap();
    let waiting = owner.challenge(&auth, "").await;
    let kept = change(&auth, &token, PASSWORD, NEW).await.unwrap().into_inner();
    let kept = auth.exchange(&kept.session_token).await.unwrap();
    let proved = |token: &str| auth.claims(token).auth_time;
    assert_eq!(proved(&kept), proved(&token), "the password alone is no new proof");
    // A sign-in that was begun with the old password leads nowhere.
    let late = complete(&auth, &waiting, &owner.code(&auth), "").await;
    assert_eq!(code(late), Some(Code::AuthChallengeExpired));
    auth.finish().await;
}

#[tokio::test]
async fn of_two_changes_of_a_password_at_once_one_counts() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let (one, two) =
        (auth.session("owner@example.org", "").await, auth.session("owner@example.org", "").await);
    let (first, second) = (auth.exchange(&one).await.unwrap(), auth.exchange(&two).await.unwrap());
    let (first, second) = tokio::join!(
        change(&auth, &first, PASSWORD, "the first new password"),
        change(&auth, &second, PASSWORD, "the second new password"),
    );
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    let (password, kept, ended) = match first {
        Ok(kept) => ("the first new password", kept, two),
        Err(_) => ("the second new password", second.unwrap(), one),
    };
    assert_eq!(state(&auth, &kept.into_inner().session_token).await, None);
    assert_eq!(state(&auth, &ended).await, Some(Code::AuthSessionExpired));
    auth.sessions().login(credentials("owner@example.org", password, "")).await.unwrap();
    auth.finish().await;
}

#[tokio::test]
async fn sign_in_by_a_password_that_changes_meanwhile_opens_nothing() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let pg = auth.db.pg("yard_auth");
    let mut tx = PlatformTx::begin(&pg, &Actor::service("test")).await.unwrap();
    let sql = "update platform.people set password_hash = 'another' where email = $1";
    sqlx::query(sql).bind("owner@example.org").execute(&mut *tx).await.unwrap();
    let login = async {
        let request = credentials("owner@example.org", PASSWORD, "");
        code(auth.sessions().login(request).await)
    };
    let change = async {
        // The sign-in has read the old hash, found the password right, and waits.
        let waits = "select count(*) from pg_stat_activity \
                     where datname = current_database() and wait_event_type = 'Lock'";
        eventually(std::time::Duration::from_secs(60), async || {
            auth.db.sql(waits).await.trim() == "1"
        })
        .await;
        tx.commit().await.unwrap();
    };
    let (refused, ()) = tokio::join!(login, change);
    assert_eq!(refused, INVALID);
    let sessions = auth.db.sql("select count(*) from platform.sessions").await;
    assert_eq!(sessions.trim(), "0");
    auth.finish().await;
}

#[tokio::test]
async fn owner_is_told_by_mail_that_the_password_was_changed_and_only_then() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    auth.db
        .sql("update platform.people set locale = 'de' where email = 'viewer@example.org'")
        .await;
    let written = async || auth.db.sql("select count(*) from platform.mails").await;
    for (turn, email, words) in
        [(0, "viewer@example.org", "angemeldet"), (1, "owner@example.org", "signed in")]
    {
        let token = auth.access(email, "").await;
        assert_eq!(code(change(&auth, &token, "wrong horse", NEW).await), INVALID);
        assert_eq!(written().await.trim(), turn.to_string());
        change(&auth, &token, PASSWORD, NEW).await.unwrap();
        let text = mail.await_to(email, 1).await[0].text();
        assert!(text.contains(words), "{text}");
        // Nothing in it lets anybody in.
        let links = text.replace("&#x2f;", "/").contains("yard.test/");
        assert!(!links && !text.contains(NEW), "{text}");
    }
    auth.finish().await;
}
