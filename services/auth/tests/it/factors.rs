//! Enrolment of second factors.

use futures::future::join_all;
use time::Duration;
use yard_contracts::identity::v1 as wire;
use yard_fault::Code;
use yard_ids::Clock as _;
use yard_testkit::{eventually, logs};

use crate::factor_support::{App, Person, complete, enrol};
use crate::support::{Auth, bearer, code};

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

async fn factors(auth: &Auth, token: &str) -> wire::Factors {
    let request = bearer(wire::GetFactorsRequest {}, token);
    auth.factors().get_factors(request).await.unwrap().into_inner()
}

async fn confirm(auth: &Auth, token: &str, code_now: String) -> Option<Code> {
    let request = bearer(wire::ConfirmTotpEnrollmentRequest { code: code_now }, token);
    code(auth.factors().confirm_totp_enrollment(request).await)
}

#[tokio::test]
async fn app_is_in_force_once_a_code_has_confirmed_it() {
    let _log = logs::capture();
    let auth = started().await;
    let token = auth.access("owner@example.org", "").await;
    let request = bearer(wire::BeginTotpEnrollmentRequest {}, &token);
    let shown = auth.factors().begin_totp_enrollment(request).await.unwrap().into_inner();
    let uri = format!(
        "otpauth://totp/Test:owner%40example.org?secret={}&issuer=Test&algorithm=SHA1&digits=6\
         &period=30",
        shown.secret
    );
    assert_eq!(shown.otpauth_uri, uri);
    assert_eq!(shown.secret.len(), 32);
    // Not asked for yet.
    auth.session("owner@example.org", "").await;
    assert!(!factors(&auth, &token).await.totp);

    let app = App::of(&shown.secret);
    let wrong = confirm(&auth, &token, app.wrong(auth.clock.now())).await;
    assert_eq!(wrong, Some(Code::AuthFactorInvalid));
    let request = wire::ConfirmTotpEnrollmentRequest { code: app.code(auth.clock.now()) };
    let change = auth.factors().confirm_totp_enrollment(bearer(request, &token)).await;
    let change = change.unwrap().into_inner();
    let own = change.factors.unwrap();
    assert_eq!((own.totp, own.recovery_codes_left, own.required), (true, 10, false));
    assert_eq!(own.totp_since.unwrap().seconds, auth.clock.now().unix_timestamp());
    assert_eq!(change.recovery_codes.len(), 10);
    // The secret is stored sealed, and the codes as hashes.
    let stored = auth.db.sql("select encode(secret, 'escape') from platform.totp_secrets").await;
    assert!(!stored.contains(&shown.secret));
    let stored = auth.db.sql("select row_to_json(c) from platform.recovery_codes c").await;
    assert!(change.recovery_codes.iter().all(|code| !stored.contains(code)));
    auth.finish().await;
}

#[tokio::test]
async fn secret_that_waits_ends_after_ten_minutes_and_with_the_next() {
    let _log = logs::capture();
    let auth = started().await;
    let session = auth.session("owner@example.org", "").await;
    let token = auth.exchange(&session).await.unwrap();
    let begin = async || {
        let token = auth.exchange(&session).await.unwrap();
        let request = bearer(wire::BeginTotpEnrollmentRequest {}, &token);
        let shown = auth.factors().begin_totp_enrollment(request).await;
        shown.map(|shown| App::of(&shown.into_inner().secret))
    };
    assert_eq!(confirm(&auth, &token, "123456".to_owned()).await, Some(Code::AuthChallengeExpired));
    let (first, second) = (begin().await.unwrap(), begin().await.unwrap());
    let old = confirm(&auth, &token, first.code(auth.clock.now())).await;
    assert_eq!(old, Some(Code::AuthFactorInvalid));
    auth.clock.advance(Duration::seconds(600));
    let token = auth.exchange(&session).await.unwrap();
    let late = confirm(&auth, &token, second.code(auth.clock.now())).await;
    assert_eq!(late, Some(Code::AuthChallengeExpired));
    let third = begin().await.unwrap();
    auth.clock.advance(Duration::seconds(599));
    // Enrolment asks for a recent proof; the one that was begun may be finished.
    assert_eq!(code(begin().await.map(tonic::Response::new)), Some(Code::AuthStepUpRequired));
    let token = auth.exchange(&session).await.unwrap();
    assert_eq!(confirm(&auth, &token, third.code(auth.clock.now())).await, None);
    auth.finish().await;
}

#[tokio::test]
async fn first_factor_ends_the_sessions_that_had_none_and_lifts_its_own() {
    let _log = logs::capture();
    let auth = started().await;
    let (first, other) =
        (auth.session("owner@example.org", "").await, auth.session("viewer@example.org", "").await);
    let owner = Person::enrolled(&auth, "owner@example.org", "").await;
    assert_eq!(code_of(&auth, &first).await, Some(Code::AuthSessionExpired));
    assert_eq!(code_of(&auth, &other).await, None);
    let token = auth.exchange(&owner.session).await.unwrap();
    assert_eq!(auth.claims(&token).amr, ["mfa", "otp", "pwd"]);

    // Another app takes the place of the first; codes and sessions stay.
    let (next, change) = enrol(&auth, &token).await;
    assert!(change.recovery_codes.is_empty());
    assert_eq!(code_of(&auth, &owner.session).await, None);
    auth.clock.advance(Duration::seconds(60));
    let challenge = owner.challenge(&auth, "").await;
    let answer = complete(&auth, &challenge, &owner.code(&auth), "").await;
    assert_eq!(code(answer), Some(Code::AuthFactorInvalid));
    complete(&auth, &challenge, &next.code(auth.clock.now()), "").await.unwrap();
    auth.finish().await;
}

async fn code_of(auth: &Auth, session: &str) -> Option<Code> {
    code(auth.exchange(session).await.map(tonic::Response::new))
}

#[tokio::test]
async fn recovery_code_works_once_however_it_is_written_and_is_counted() {
    let _log = logs::capture();
    let auth = started().await;
    let owner = Person::enrolled(&auth, "owner@example.org", "").await;
    let sloppy = owner.recovery_codes[0].replace('-', " ").to_uppercase();
    let challenge = owner.challenge(&auth, "").await;
    let answer = complete(&auth, &challenge, "", &sloppy).await.unwrap().into_inner();
    let token = auth.exchange(&answer.session_token).await.unwrap();
    assert_eq!(auth.claims(&token).amr, ["pwd", "recovery", "mfa"]);
    assert_eq!(factors(&auth, &token).await.recovery_codes_left, 9);

    let challenge = owner.challenge(&auth, "").await;
    let again = complete(&auth, &challenge, "", &owner.recovery_codes[0]).await;
    assert_eq!(code(again), Some(Code::AuthFactorInvalid));

    // One code, eight sign-ins at once.
    let mut challenges = Vec::new();
    for _ in 0..8 {
        challenges.push(owner.challenge(&auth, "").await);
    }
    let one = &owner.recovery_codes[1];
    let tries = challenges.iter().map(|challenge| complete(&auth, challenge, "", one));
    let codes: Vec<_> = join_all(tries).await.into_iter().map(code).collect();
    assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 1, "{codes:?}");
    assert_eq!(factors(&auth, &token).await.recovery_codes_left, 8);

    let request = bearer(wire::RegenerateRecoveryCodesRequest {}, &token);
    let change = auth.factors().regenerate_recovery_codes(request).await.unwrap().into_inner();
    assert_eq!(change.factors.unwrap().recovery_codes_left, 10);
    let challenge = owner.challenge(&auth, "").await;
    let void = complete(&auth, &challenge, "", &owner.recovery_codes[2]).await;
    assert_eq!(code(void), Some(Code::AuthFactorInvalid));
    complete(&auth, &challenge, "", &change.recovery_codes[9]).await.unwrap();
    auth.finish().await;
}

#[tokio::test]
async fn recovery_code_of_one_person_opens_nothing_for_another() {
    let _log = logs::capture();
    let auth = started().await;
    let owner = Person::enrolled(&auth, "owner@example.org", "").await;
    let viewer = Person::enrolled(&auth, "viewer@example.org", "").await;
    let challenge = viewer.challenge(&auth, "").await;
    let foreign = complete(&auth, &challenge, "", &owner.recovery_codes[0]).await;
    assert_eq!(code(foreign), Some(Code::AuthFactorInvalid));
    let foreign = complete(&auth, &challenge, &owner.code(&auth), "").await;
    assert_eq!(code(foreign), Some(Code::AuthFactorInvalid));
    complete(&auth, &challenge, "", &viewer.recovery_codes[0]).await.unwrap();
    auth.finish().await;
}

#[tokio::test]
async fn removed_app_takes_its_recovery_codes_with_it() {
    let _log = logs::capture();
    let auth = started().await;
    let owner = Person::enrolled(&auth, "owner@example.org", "").await;
    let token = auth.exchange(&owner.session).await.unwrap();
    let waiting = owner.challenge(&auth, "").await;
    let request = bearer(wire::RemoveTotpRequest {}, &token);
    let left = auth.factors().remove_totp(request).await.unwrap().into_inner();
    assert_eq!((left.totp, left.recovery_codes_left), (false, 0));
    let answer = complete(&auth, &waiting, "", &owner.recovery_codes[0]).await;
    assert_eq!(code(answer), Some(Code::AuthFactorInvalid));
    auth.session("owner@example.org", "").await;
    let request = bearer(wire::RegenerateRecoveryCodesRequest {}, &token);
    let answer = auth.factors().regenerate_recovery_codes(request).await;
    assert_eq!(code(answer), Some(Code::RequestInvalid));
    auth.finish().await;
}

#[tokio::test]
async fn sealed_secrets_follow_the_sealing_key_and_are_not_lost_with_it() {
    let log = logs::capture();
    log.expect("a critical task");
    let auth = started().await;
    let owner = Person::enrolled(&auth, "owner@example.org", "").await;
    let line = |kid: &str, byte: u8| {
        use base64::Engine as _;
        let key = base64::engine::general_purpose::STANDARD.encode([byte; 32]);
        format!("{kid}:{key}\n")
    };
    let both = format!("{}{}", line("k2", 9), line("k1", 7));
    let auth = auth
        .restart_with(async |engines| {
            std::fs::write(engines.folder.join("sealing.key"), &both).unwrap();
        })
        .await
        .unwrap();
    let kid =
        "select convert_from(substring(secret from 3 for 2), 'UTF8') from platform.totp_secrets";
    eventually(std::time::Duration::from_secs(20), async || auth.db.sql(kid).await.trim() == "k2")
        .await;
    owner.sign_in(&auth, "").await;
    auth.finish().await;
}
