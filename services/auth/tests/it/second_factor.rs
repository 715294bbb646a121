//! Sign-in in two steps.

use futures::future::join_all;
use time::Duration;
use tonic::Request;
use yard_contracts::identity::v1::{CompleteLoginRequest, FactorKind, GetMeRequest, LoginRequest};
use yard_fault::{Code, Fault};
use yard_ids::Clock as _;
use yard_testkit::logs;

use crate::factor_support::{Person, complete};
use crate::support::{Auth, PASSWORD, bearer, code, credentials};

async fn started() -> Auth {
    Auth::start_with(|config| {
        config.throttle.pair_burst = 100;
        config.throttle.account_burst = 100;
        config.throttle.source_burst = 100;
        config.throttle.factor_burst = 50;
        config.throttle.factor_account_burst = 50;
    })
    .await
}

async fn sessions(auth: &Auth) -> String {
    auth.db.sql("select count(*) from platform.sessions where revoked_at is null").await
}

#[tokio::test]
async fn right_password_gives_a_challenge_and_the_code_the_session() {
    let _log = logs::capture();
    let auth = started().await;
    let owner = Person::enrolled(&auth, "owner@example.org", "").await;
    let before = sessions(&auth).await;
    let cookie = LoginRequest { delivery: 0, ..credentials(owner.email, PASSWORD, "acme") };
    let answer = auth.sessions().login(cookie).await.unwrap();
    assert!(answer.metadata().get("yard-set-session").is_none());
    let answer = answer.into_inner();
    assert_eq!((answer.me, answer.expires_at, answer.session_token.as_str()), (None, None, ""));
    let challenge = answer.challenge.unwrap();
    assert_eq!(challenge.factors, [FactorKind::Totp as i32, FactorKind::RecoveryCode as i32]);
    let left = challenge.expires_at.unwrap().seconds - auth.clock.now().unix_timestamp();
    assert_eq!(left, 300);
    assert_eq!(sessions(&auth).await, before);

    auth.clock.advance(Duration::seconds(90));
    let answer = complete(&auth, &challenge, &owner.code(&auth), "").await.unwrap().into_inner();
    let me = answer.me.unwrap();
    assert_eq!((me.email.as_str(), me.tenant_slug.as_str()), ("owner@example.org", "acme"));
    let token = auth.exchange(&answer.session_token).await.unwrap();
    let claims = auth.claims(&token);
    assert_eq!(claims.amr, ["pwd", "otp", "mfa"]);
    assert_eq!(claims.auth_time, Some(auth.clock.now().unix_timestamp()));
    let again = auth.sessions().get_me(bearer(GetMeRequest {}, &token)).await.unwrap();
    assert_eq!(again.into_inner(), me);
    // Nothing that could be shown again is stored.
    let stored = auth.db.sql("select row_to_json(c) from platform.challenges c").await;
    assert!(!stored.contains("ych_"), "{stored}");
    auth.finish().await;
}

#[tokio::test]
async fn second_step_by_cookie_sets_it_and_keeps_the_body_without() {
    let _log = logs::capture();
    let auth = started().await;
    let owner = Person::enrolled(&auth, "owner@example.org", "").await;
    let request = CompleteLoginRequest {
        challenge_token: owner.challenge(&auth, "").await.challenge_token,
        totp_code: owner.code(&auth),
        ..CompleteLoginRequest::default()
    };
    let answer = auth.sessions().complete_login(request).await.unwrap();
    let cookie = answer.metadata().get("yard-set-session").unwrap().to_str().unwrap();
    auth.exchange(cookie.split_once(';').unwrap().0).await.unwrap();
    assert_eq!(answer.get_ref().session_token, "");
    auth.finish().await;
}

#[tokio::test]
async fn enrolled_factor_shows_after_the_right_password_only() {
    let _log = logs::capture();
    let auth = started().await;
    let owner = Person::enrolled(&auth, "owner@example.org", "").await;
    let mut answers = Vec::new();
    for (email, tenant) in
        [(owner.email, ""), ("viewer@example.org", ""), ("nobody@example.org", "")]
    {
        let status = auth.sessions().login(credentials(email, "wrong horse", tenant)).await;
        let status = status.unwrap_err();
        answers.push((Fault::from_status(&status).code(), status.message().to_owned()));
    }
    // Right, but not in this tenant: as without a factor.
    let status = auth.sessions().login(credentials(owner.email, PASSWORD, "byte")).await;
    let status = status.unwrap_err();
    answers.push((Fault::from_status(&status).code(), status.message().to_owned()));
    assert_eq!(answers[0].0, Code::AuthInvalidCredentials);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    auth.finish().await;
}

#[tokio::test]
async fn code_is_taken_once_and_no_earlier_one_after_it() {
    let _log = logs::capture();
    let auth = started().await;
    let owner = Person::enrolled(&auth, "owner@example.org", "").await;
    let (earlier, now) = (auth.clock.now() - Duration::seconds(30), owner.code(&auth));
    let first = owner.challenge(&auth, "").await;
    complete(&auth, &first, &now, "").await.unwrap();
    let second = owner.challenge(&auth, "").await;
    for code_again in [now.clone(), owner.app.code(earlier)] {
        let again = complete(&auth, &second, &code_again, "").await;
        assert_eq!(code(again), Some(Code::AuthFactorInvalid));
    }
    auth.clock.advance(Duration::seconds(30));
    complete(&auth, &second, &owner.code(&auth), "").await.unwrap();
    // Two people whose apps show the same code do not use it up for each other.
    let guard = "select count(distinct principal_id) from platform.totp_secrets";
    assert_eq!(auth.db.sql(guard).await.trim(), "1");
    auth.finish().await;
}

#[tokio::test]
async fn code_shown_by_many_at_once_opens_one_session() {
    let _log = logs::capture();
    let auth = started().await;
    let owner = Person::enrolled(&auth, "owner@example.org", "").await;
    let mut challenges = Vec::new();
    for _ in 0..8 {
        challenges.push(owner.challenge(&auth, "").await);
    }
    let code_now = owner.code(&auth);
    let tries = challenges.iter().map(|challenge| complete(&auth, challenge, &code_now, ""));
    let codes: Vec<_> = join_all(tries).await.into_iter().map(code).collect();
    assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 1, "{codes:?}");
    let refused = codes.iter().flatten().all(|code| *code == Code::AuthFactorInvalid);
    assert!(refused, "{codes:?}");
    auth.finish().await;
}

#[tokio::test]
async fn challenge_is_good_for_five_tries_five_minutes_and_one_success() {
    let _log = logs::capture();
    let auth = started().await;
    let owner = Person::enrolled(&auth, "owner@example.org", "").await;
    let expired = Some(Code::AuthChallengeExpired);
    let wrong = owner.app.wrong(auth.clock.now());

    let four = owner.challenge(&auth, "").await;
    for _ in 0..4 {
        let answer = complete(&auth, &four, &wrong, "").await;
        assert_eq!(code(answer), Some(Code::AuthFactorInvalid));
    }
    complete(&auth, &four, &owner.code(&auth), "").await.unwrap();
    assert_eq!(code(complete(&auth, &four, "", &owner.recovery_codes[0]).await), expired);

    let five = owner.challenge(&auth, "").await;
    for _ in 0..5 {
        let answer = complete(&auth, &five, &wrong, "").await;
        assert_eq!(code(answer), Some(Code::AuthFactorInvalid));
    }
    assert_eq!(code(complete(&auth, &five, "", &owner.recovery_codes[0]).await), expired);

    let late = owner.challenge(&auth, "").await;
    auth.clock.advance(Duration::seconds(299));
    let answer = complete(&auth, &late, &owner.app.wrong(auth.clock.now()), "").await;
    assert_eq!(code(answer), Some(Code::AuthFactorInvalid));
    auth.clock.advance(Duration::seconds(1));
    assert_eq!(code(complete(&auth, &late, &owner.code(&auth), "").await), expired);
    // The ended ones go with the next that is made.
    owner.challenge(&auth, "").await;
    assert_eq!(auth.db.sql("select count(*) from platform.challenges").await.trim(), "1");
    auth.finish().await;
}

#[tokio::test]
async fn challenge_raced_with_two_right_proofs_opens_one_session() {
    let _log = logs::capture();
    let auth = started().await;
    let owner = Person::enrolled(&auth, "owner@example.org", "").await;
    for turn in 0..3 {
        let challenge = owner.challenge(&auth, "").await;
        let proofs = &owner.recovery_codes[turn * 2..turn * 2 + 2];
        let tries = proofs.iter().map(|proof| complete(&auth, &challenge, "", proof));
        let codes: Vec<_> = join_all(tries).await.into_iter().map(code).collect();
        assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 1, "{codes:?}");
        assert!(codes.contains(&Some(Code::AuthChallengeExpired)), "{codes:?}");
    }
    // The proof that was for nothing is still good.
    let left = "select count(*) from platform.recovery_codes where used_at is null";
    assert_eq!(auth.db.sql(left).await.trim(), "7");
    auth.finish().await;
}

#[tokio::test]
async fn challenge_ends_with_what_it_was_begun_on() {
    let _log = logs::capture();
    let auth = started().await;
    let both = Person::enrolled(&auth, "both@example.org", "acme").await;
    let expired = Some(Code::AuthChallengeExpired);
    let in_byte = both.challenge(&auth, "byte").await;
    let answer = complete(&auth, &in_byte, &both.code(&auth), "").await.unwrap().into_inner();
    assert_eq!(answer.me.unwrap().tenant_slug, "byte");
    auth.clock.advance(Duration::seconds(60));

    for (change, back, outcome) in [
        (
            "delete from platform.memberships where role = 'viewer' and tenant_id = \
             (select id from platform.tenants where slug = 'byte')",
            "insert into platform.memberships (tenant_id, principal_id, role) select t.id, \
             p.principal_id, 'viewer' from platform.tenants t, platform.people p \
             where t.slug = 'byte' and p.email = 'both@example.org'",
            expired,
        ),
        (
            "update platform.tenants set state = 'suspended' where slug = 'byte'",
            "update platform.tenants set state = 'ready'",
            Some(Code::TenantSuspended),
        ),
        (
            "update platform.principals set disabled_at = now() where kind = 'person'",
            "update platform.principals set disabled_at = null",
            expired,
        ),
        (
            "update platform.people set password_hash = password_hash || 'x'",
            "update platform.people set password_hash = rtrim(password_hash, 'x')",
            expired,
        ),
    ] {
        let challenge = both.challenge(&auth, "byte").await;
        auth.db.sql(change).await;
        let answer = complete(&auth, &challenge, &both.code(&auth), "").await;
        assert_eq!(code(answer), outcome, "{change}");
        auth.db.sql(back).await;
    }
    auth.finish().await;
}

#[tokio::test]
async fn completion_without_exactly_one_proof_of_ours_is_refused() {
    let _log = logs::capture();
    let auth = started().await;
    let owner = Person::enrolled(&auth, "owner@example.org", "").await;
    let challenge = owner.challenge(&auth, "").await;
    let none = complete(&auth, &challenge, "", "").await;
    assert_eq!(code(none), Some(Code::AuthFactorInvalid));
    let two = complete(&auth, &challenge, "123456", &owner.recovery_codes[0]).await;
    assert_eq!(code(two), Some(Code::RequestInvalid));
    for token in ["", "ych_", "yst_AAAA", "'; drop table x; --", "\0"] {
        let request = CompleteLoginRequest {
            challenge_token: token.to_owned(),
            totp_code: "123456".to_owned(),
            ..CompleteLoginRequest::default()
        };
        let answer = auth.sessions().complete_login(request).await;
        assert_eq!(code(answer), Some(Code::AuthChallengeExpired), "{token:?}");
    }
    for odd in ["", "abcdef", "12345", "1234567", "\0\0\0\0\0\0", &"1".repeat(10_000)] {
        let challenge = owner.challenge(&auth, "").await;
        let answer = complete(&auth, &challenge, odd, "").await;
        assert_eq!(code(answer), Some(Code::AuthFactorInvalid), "{odd:?}");
        let answer = complete(&auth, &challenge, "", odd).await;
        assert_eq!(code(answer), Some(Code::AuthFactorInvalid), "{odd:?}");
    }
    auth.finish().await;
}

fn from<T>(mut request: Request<T>, address: &str) -> Request<T> {
    request.metadata_mut().insert("yard-client-ip", address.parse().unwrap());
    request
}

#[tokio::test]
async fn guessing_codes_is_limited_and_keeps_the_owner_out_of_nothing() {
    let _log = logs::capture();
    let auth = Auth::start_with(|config| {
        config.throttle.pair_burst = 100;
        config.throttle.account_burst = 100;
        config.throttle.source_burst = 100;
    })
    .await;
    let owner = Person::enrolled(&auth, "owner@example.org", "").await;
    let attempt = async |address: &str, totp: String, recovery: String| {
        let request = Request::new(credentials(owner.email, PASSWORD, ""));
        let answer = auth.sessions().login(from(request, address)).await.unwrap();
        let request = CompleteLoginRequest {
            challenge_token: answer.into_inner().challenge.unwrap().challenge_token,
            totp_code: totp,
            recovery_code: recovery,
            passkey: None,
            delivery: 0,
        };
        code(auth.sessions().complete_login(from(Request::new(request), address)).await)
    };
    // Her own address.
    assert_eq!(attempt("192.0.2.1", owner.code(&auth), String::new()).await, None);
    auth.clock.advance(Duration::seconds(60));
    // Somebody who knows the password: three tries from one address, six from everywhere, of which
    // hers was one.
    let mut answers = Vec::new();
    for address in ["198.51.100.1", "198.51.100.1", "198.51.100.1", "198.51.100.1"] {
        answers.push(attempt(address, owner.app.wrong(auth.clock.now()), String::new()).await);
    }
    for n in 2..6 {
        let wrong = owner.app.wrong(auth.clock.now());
        answers.push(attempt(&format!("198.51.100.{n}"), wrong, String::new()).await);
    }
    let (invalid, throttled) = (Some(Code::AuthFactorInvalid), Some(Code::AuthThrottled));
    assert_eq!(answers[..4], [invalid, invalid, invalid, throttled]);
    assert_eq!(answers[4..], [invalid, invalid, throttled, throttled]);
    // She gets in from where she is known, and from elsewhere by a recovery code.
    assert_eq!(attempt("192.0.2.1", owner.code(&auth), String::new()).await, None);
    auth.clock.advance(Duration::seconds(60));
    assert_eq!(attempt("203.0.113.9", owner.code(&auth), String::new()).await, throttled);
    let recovery = owner.recovery_codes[0].clone();
    assert_eq!(attempt("203.0.113.9", String::new(), recovery).await, None);
    auth.finish().await;
}
