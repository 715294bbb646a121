//! Answers of authenticators that are not taken.

use futures::future::join_all;
use time::Duration;
use tonic::Status;
use yard_contracts::identity::v1 as wire;
use yard_fault::{Code, Fault};
use yard_testkit::{Authenticator, KeyKind, flags, logs};

use crate::passkey_support::{
    DOMAIN, Holder, assertion, begin, begin_again, begin_sign_in, complete, create, list,
    reauthenticate, register, remove, sign_in,
};
use crate::support::{Auth, bearer, code};

const INVALID: Option<Code> = Some(Code::AuthFactorInvalid);
const EXPIRED: Option<Code> = Some(Code::AuthChallengeExpired);

fn refusal(status: Status) -> Option<Code> {
    code::<()>(Err(status))
}

#[tokio::test]
async fn challenge_is_good_once_for_five_minutes_and_five_tries() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let mut holder = Holder::registered(&auth, "owner@example.org", "").await;
    let challenge = begin_sign_in(&auth).await;
    let answer = holder.answer(&challenge);
    sign_in(&auth, &challenge, answer.clone(), "").await.unwrap();
    assert_eq!(code(sign_in(&auth, &challenge, answer, "").await), EXPIRED);
    // The answer to one is none to another, neither under its own name nor under the other's.
    let (one, two) = (begin_sign_in(&auth).await, begin_sign_in(&auth).await);
    let answer = holder.answer(&one);
    assert_eq!(code(sign_in(&auth, &two, answer.clone(), "").await), INVALID);
    auth.clock.advance(Duration::seconds(299));
    sign_in(&auth, &one, answer, "").await.unwrap();
    let answer = holder.answer(&two);
    auth.clock.advance(Duration::seconds(1));
    assert_eq!(code(sign_in(&auth, &two, answer, "").await), EXPIRED);
    let challenge = begin_sign_in(&auth).await;
    let answer = holder.answer(&challenge);
    let wrong = wire::PasskeyAssertion { signature: String::new(), ..answer.clone() };
    for _ in 0..5 {
        assert_eq!(code(sign_in(&auth, &challenge, wrong.clone(), "").await), INVALID);
    }
    assert_eq!(code(sign_in(&auth, &challenge, answer, "").await), EXPIRED);
    for token in ["", "ych_", "yst_x"] {
        let none =
            wire::PasskeyChallenge { challenge_token: token.to_owned(), ..challenge.clone() };
        let answer = holder.answer(&none);
        assert_eq!(code(sign_in(&auth, &none, answer, "").await), EXPIRED, "{token}");
    }
    auth.finish().await;
}

#[tokio::test]
async fn of_many_who_race_with_one_answer_one_is_let_in() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let mut holder = Holder::registered(&auth, "owner@example.org", "").await;
    let count = "select count(*) from platform.sessions where revoked_at is null";
    let before: u32 = auth.db.sql(count).await.trim().parse().unwrap();
    let challenge = begin_sign_in(&auth).await;
    let answer = holder.answer(&challenge);
    let tries = join_all((0..4).map(|_| sign_in(&auth, &challenge, answer.clone(), ""))).await;
    let codes: Vec<_> = tries.into_iter().map(code).collect();
    assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 1, "{codes:?}");
    assert!(codes.iter().all(|code| code.is_none() || *code == EXPIRED), "{codes:?}");
    let after: u32 = auth.db.sql(count).await.trim().parse().unwrap();
    assert_eq!(after, before + 1);

    let token = auth.exchange(&holder.session).await.unwrap();
    let challenge = begin_again(&auth, &token).await.unwrap();
    let answer = holder.answer(&challenge);
    let tries =
        join_all((0..4).map(|_| reauthenticate(&auth, &token, &challenge, answer.clone()))).await;
    assert_eq!(tries.iter().filter(|done| done.is_ok()).count(), 1, "{tries:?}");
    auth.finish().await;
}

#[tokio::test]
async fn of_two_first_passkeys_at_once_one_brings_the_recovery_codes() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let token = auth.access("owner@example.org", "").await;
    let (one, two) = (begin(&auth, &token).await.unwrap(), begin(&auth, &token).await.unwrap());
    let mut phone = Authenticator::new(KeyKind::EdDsa, DOMAIN);
    let mut laptop = Authenticator::new(KeyKind::EdDsa, DOMAIN);
    let (first, second) = (create(&mut phone, &one), create(&mut laptop, &two));
    let (first, second) =
        tokio::join!(complete(&auth, &token, &one, &first), complete(&auth, &token, &two, &second));
    let mut codes = [first, second].map(|added| added.unwrap().into_inner().recovery_codes.len());
    codes.sort_unstable();
    assert_eq!(codes, [0, 10]);
    let kept = "select count(*) from platform.recovery_codes where used_at is null";
    assert_eq!(auth.db.sql(kept).await.trim(), "10");
    auth.finish().await;
}

#[tokio::test]
async fn passkey_that_is_taken_away_meanwhile_opens_nothing_and_blocks_nobody() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let mut holder = Holder::registered(&auth, "owner@example.org", "").await;
    for _ in 0..8 {
        let token = auth.exchange(&holder.session).await.unwrap();
        let challenge = begin_sign_in(&auth).await;
        let answer = holder.answer(&challenge);
        let (opened, removed) = tokio::join!(
            sign_in(&auth, &challenge, answer, ""),
            remove(&auth, &token, &holder.passkey.passkey_id),
        );
        assert!(removed.is_ok(), "{removed:?}");
        let opened = code(opened);
        assert!(opened.is_none() || opened == INVALID, "{opened:?}");
        let token = auth.exchange(&holder.session).await.unwrap();
        let added = register(&auth, &token, &mut holder.authenticator).await;
        holder.passkey = added.passkey.unwrap();
    }
    auth.finish().await;
}

#[tokio::test]
async fn what_does_not_verify_is_refused_alike_and_uses_nothing_up() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let mut holder = Holder::registered(&auth, "owner@example.org", "").await;
    let mut stranger = Holder::registered(&auth, "viewer@example.org", "").await;
    let mut refusals = Vec::new();
    for wrong in 0..8 {
        let challenge = begin_sign_in(&auth).await;
        let shown = challenge.options.as_ref().unwrap().challenge.clone();
        let mut own = holder.authenticator.get(&shown);
        let kept = own.clone();
        match wrong {
            0 => "https://yard.test.evil".clone_into(&mut holder.authenticator.origin),
            1 => "evil.test".clone_into(&mut holder.authenticator.rp_id),
            2 => holder.authenticator.flags &= !flags::USER_VERIFIED,
            3 => own.signature[9] ^= 1,
            4 => own.authenticator_data[36] ^= 1,
            // A credential that nobody has; in another's name; in nobody's.
            5 => own = Authenticator::new(KeyKind::Es256, DOMAIN).get(&shown),
            6 => own.user_handle = stranger.authenticator.user_handle.clone(),
            _ => own.user_handle.clear(),
        }
        if wrong < 3 {
            own = holder.authenticator.get(&shown);
            "https://yard.test".clone_into(&mut holder.authenticator.origin);
            DOMAIN.clone_into(&mut holder.authenticator.rp_id);
            holder.authenticator.flags |= flags::USER_VERIFIED;
        }
        let refused = sign_in(&auth, &challenge, assertion(&own), "").await.unwrap_err();
        refusals.push((Fault::from_status(&refused).code(), refused.message().to_owned()));
        // Neither the challenge nor the counter.
        sign_in(&auth, &challenge, assertion(&kept), "").await.unwrap();
    }
    assert_eq!(refusals[0].0, Code::AuthFactorInvalid);
    assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");
    // By another's key under the own id.
    let challenge = begin_sign_in(&auth).await;
    let theirs = stranger.answer(&challenge);
    let forged =
        wire::PasskeyAssertion { credential_id: holder.answer(&challenge).credential_id, ..theirs };
    assert_eq!(code(sign_in(&auth, &challenge, forged, "").await), INVALID);
    auth.finish().await;
}

#[tokio::test]
async fn copied_passkey_is_noticed_by_its_counter_and_the_true_one_goes_on() {
    let log = logs::capture();
    log.expect("the counter of a passkey did not go on");
    let auth = Auth::start().await;
    let mut holder = Holder::registered(&auth, "owner@example.org", "").await;
    holder.authenticator.counter = Some(40);
    holder.sign_in(&auth, "").await.unwrap();
    for behind in [39, 40] {
        // It counts before it signs.
        holder.authenticator.counter = Some(behind);
        let refused = holder.sign_in(&auth, "").await;
        assert_eq!(refused.err().and_then(refusal), INVALID, "{behind}");
    }
    holder.authenticator.counter = None;
    assert_eq!(holder.sign_in(&auth, "").await.err().and_then(refusal), INVALID);
    holder.authenticator.counter = Some(41);
    holder.sign_in(&auth, "").await.unwrap();
    holder.authenticator.counter = Some(u32::MAX - 1);
    holder.sign_in(&auth, "").await.unwrap();
    auth.finish().await;
}

#[tokio::test]
async fn authenticator_that_does_not_count_is_taken_each_time() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let token = auth.access("owner@example.org", "").await;
    let mut own = Authenticator::new(KeyKind::EdDsa, DOMAIN);
    own.counter = None;
    register(&auth, &token, &mut own).await;
    for _ in 0..3 {
        let challenge = begin_sign_in(&auth).await;
        let answer = assertion(&own.get(&challenge.options.as_ref().unwrap().challenge));
        sign_in(&auth, &challenge, answer, "").await.unwrap();
    }
    auth.finish().await;
}

#[tokio::test]
async fn registration_that_does_not_verify_is_refused_and_may_be_tried_again() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let token = auth.access("owner@example.org", "").await;
    let begun = begin(&auth, &token).await.unwrap();
    let mut own = Authenticator::new(KeyKind::Es256, DOMAIN);
    let good = create(&mut own, &begun);
    let mut other_page = Authenticator::new(KeyKind::Es256, DOMAIN);
    "https://evil.test".clone_into(&mut other_page.origin);
    let mut unverified = Authenticator::new(KeyKind::Es256, DOMAIN);
    unverified.flags = flags::USER_PRESENT;
    let mut other_domain = Authenticator::new(KeyKind::Es256, "evil.test");
    "https://yard.test".clone_into(&mut other_domain.origin);
    for wrong in [&mut other_page, &mut unverified, &mut other_domain] {
        let created = create(wrong, &begun);
        assert_eq!(code(complete(&auth, &token, &begun, &created).await), INVALID);
    }
    let other = begin(&auth, &token).await.unwrap();
    assert_eq!(code(complete(&auth, &token, &other, &good).await), INVALID);
    complete(&auth, &token, &begun, &good).await.unwrap();
    assert_eq!(code(complete(&auth, &token, &begun, &good).await), EXPIRED);
    // A sign-in's challenge registers nothing.
    let challenge = begin_sign_in(&auth).await;
    let stolen = wire::PasskeyRegistration {
        challenge_token: challenge.challenge_token.clone(),
        ..other.clone()
    };
    assert_eq!(code(complete(&auth, &token, &stolen, &good).await), EXPIRED);
    assert_eq!(list(&auth, &token).await.len(), 1);
    auth.finish().await;
}

#[tokio::test]
async fn credential_of_another_person_is_not_registered_again() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let mut holder = Holder::registered(&auth, "owner@example.org", "").await;
    let thief = auth.access("viewer@example.org", "").await;
    let begun = begin(&auth, &thief).await.unwrap();
    // The same id with a key of the thief's own.
    let mut own = Authenticator::new(KeyKind::Es256, DOMAIN);
    own.credential_id = holder.authenticator.credential_id.clone();
    let created = create(&mut own, &begun);
    assert_eq!(code(complete(&auth, &thief, &begun, &created).await), INVALID);
    assert!(list(&auth, &thief).await.is_empty());
    holder.sign_in(&auth, "").await.unwrap();
    // The own one twice is refused alike; another person's challenge is none.
    let token = auth.exchange(&holder.session).await.unwrap();
    let again = begin(&auth, &token).await.unwrap();
    let created = create(&mut holder.authenticator, &again);
    assert_eq!(code(complete(&auth, &token, &again, &created).await), INVALID);
    assert_eq!(code(complete(&auth, &thief, &again, &created).await), EXPIRED);
    auth.finish().await;
}

#[tokio::test]
async fn nobody_has_more_than_twenty() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let token = auth.access("owner@example.org", "").await;
    let waiting = begin(&auth, &token).await.unwrap();
    let mut late = Authenticator::new(KeyKind::EdDsa, DOMAIN);
    let created = create(&mut late, &waiting);
    for _ in 0..20 {
        register(&auth, &token, &mut Authenticator::new(KeyKind::EdDsa, DOMAIN)).await;
    }
    let refused = begin(&auth, &token).await.err().and_then(refusal);
    assert_eq!(refused, Some(Code::RequestInvalid));
    let refused = complete(&auth, &token, &waiting, &created).await;
    assert_eq!(code(refused), Some(Code::RequestInvalid));
    assert_eq!(list(&auth, &token).await.len(), 20);
    auth.finish().await;
}

#[tokio::test]
async fn registration_asks_for_a_fresh_proof_and_a_person() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let session = auth.session("owner@example.org", "").await;
    let token = auth.exchange(&session).await.unwrap();
    let begun = begin(&auth, &token).await.unwrap();
    let created = create(&mut Authenticator::new(KeyKind::EdDsa, DOMAIN), &begun);
    assert!(
        auth.passkeys()
            .begin_passkey_registration(wire::BeginPasskeyRegistrationRequest {})
            .await
            .is_err()
    );
    auth.clock.advance(Duration::seconds(601));
    let token = auth.exchange(&session).await.unwrap();
    let stale = begin(&auth, &token).await.err().and_then(refusal);
    assert_eq!(stale, Some(Code::AuthStepUpRequired));
    auth.clock.advance(Duration::seconds(600));
    let token = auth.exchange(&session).await.unwrap();
    let late = complete(&auth, &token, &begun, &created).await;
    assert_eq!(code(late), Some(Code::AuthStepUpRequired));
    auth.finish().await;
}

#[tokio::test]
async fn what_no_browser_sends_is_refused_by_its_field() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let mut holder = Holder::registered(&auth, "owner@example.org", "").await;
    let challenge = begin_sign_in(&auth).await;
    let answer = holder.answer(&challenge);
    let long = wire::PasskeyAssertion { client_data_json: "A".repeat(5_464), ..answer.clone() };
    let padded = wire::PasskeyAssertion { signature: "AA==".to_owned(), ..answer.clone() };
    for (wrong, at) in [(long, "/assertion/client_data_json"), (padded, "/assertion/signature")] {
        let refused = sign_in(&auth, &challenge, wrong, "").await.unwrap_err();
        let fault = Fault::from_status(&refused);
        assert_eq!((fault.code(), fault.pointer()), (Code::RequestInvalid, Some(at)));
    }
    // Nothing at all verifies as nothing.
    let empty = wire::PasskeyAssertion::default();
    assert_eq!(code(sign_in(&auth, &challenge, empty, "").await), INVALID);
    sign_in(&auth, &challenge, answer, "").await.unwrap();
    let token = auth.exchange(&holder.session).await.unwrap();
    let begun = begin(&auth, &token).await.unwrap();
    let request = wire::CompletePasskeyRegistrationRequest {
        challenge_token: begun.challenge_token,
        name: "phone".to_owned(),
        attestation: None,
    };
    let bare = auth.passkeys().complete_passkey_registration(bearer(request, &token)).await;
    assert_eq!(code(bare), Some(Code::RequestInvalid));
    auth.finish().await;
}
