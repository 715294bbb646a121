//! What people change of themselves, and the two who have to agree to another address.

use prost_types::FieldMask;
use time::Duration as Span;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::profile_service_client::ProfileServiceClient;
use yard_contracts::identity::v1::recovery_service_client::RecoveryServiceClient;
use yard_fault::Code;
use yard_testkit::{TestMail, link_token, logs};

use crate::support::{Auth, PASSWORD, bearer, code, credentials};

const VIEWER: &str = "viewer@example.org";
const NEW: &str = "vera@example.net";

fn profiles(auth: &Auth) -> ProfileServiceClient<Channel> {
    ProfileServiceClient::new(auth.channel())
}

async fn profile(auth: &Auth, token: &str) -> wire::Profile {
    let request = bearer(wire::GetProfileRequest {}, token);
    profiles(auth).get_profile(request).await.unwrap().into_inner()
}

async fn update(
    auth: &Auth,
    token: &str,
    profile: wire::Profile,
    paths: &[&str],
) -> Result<Response<wire::Profile>, Status> {
    let paths = paths.iter().map(|&path| path.to_owned()).collect();
    let request = wire::UpdateProfileRequest {
        profile: Some(profile),
        update_mask: Some(FieldMask { paths }),
    };
    profiles(auth).update_profile(bearer(request, token)).await
}

async fn ask_change(
    auth: &Auth,
    token: &str,
    email: &str,
) -> Result<Response<wire::Profile>, Status> {
    let request = wire::RequestEmailChangeRequest { email: email.to_owned() };
    profiles(auth).request_email_change(bearer(request, token)).await
}

async fn confirm(
    auth: &Auth,
    token: &str,
) -> Result<Response<wire::ConfirmEmailChangeResponse>, Status> {
    let request = wire::ConfirmEmailChangeRequest { token: token.to_owned() };
    RecoveryServiceClient::new(auth.channel()).confirm_email_change(Request::new(request)).await
}

async fn verify(auth: &Auth, token: &str) -> Result<Response<wire::VerifyEmailResponse>, Status> {
    let request = wire::VerifyEmailRequest { token: token.to_owned() };
    RecoveryServiceClient::new(auth.channel()).verify_email(Request::new(request)).await
}

async fn send_proof(auth: &Auth, token: &str) -> Option<Code> {
    let request = bearer(wire::RequestEmailVerificationRequest {}, token);
    code(profiles(auth).request_email_verification(request).await)
}

async fn token_to(mail: &TestMail, email: &str) -> String {
    link_token(&mail.await_to(email, 1).await[0])
}

#[tokio::test]
async fn profile_is_changed_field_by_field_and_only_ones_own() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let viewer = auth.access(VIEWER, "").await;
    let wish = wire::Profile {
        display_name: " Vera ".to_owned(),
        locale: "de-CH".to_owned(),
        time_zone: "Europe/Zurich".to_owned(),
        email: "other@example.org".to_owned(),
        ..wire::Profile::default()
    };
    let changed = update(&auth, &viewer, wish.clone(), &["display_name", "locale"]).await;
    let changed = changed.unwrap().into_inner();
    assert_eq!((changed.display_name.as_str(), changed.locale.as_str()), ("Vera", "de-CH"));
    assert_eq!((changed.time_zone.as_str(), changed.email.as_str()), ("", VIEWER));
    update(&auth, &viewer, wish.clone(), &["time_zone"]).await.unwrap();
    assert_eq!(profile(&auth, &viewer).await.time_zone, "Europe/Zurich");
    let cleared = update(&auth, &viewer, wire::Profile::default(), &["locale", "time_zone"]).await;
    assert_eq!(cleared.unwrap().into_inner().locale, "");
    for path in ["email", "email_verified", "principal_id", "role"] {
        let refused = update(&auth, &viewer, wish.clone(), &[path]).await;
        assert_eq!(code(refused), Some(Code::RequestInvalid), "{path}");
    }
    for (path, bad) in [
        ("display_name", wire::Profile { display_name: "a\nb".to_owned(), ..wish.clone() }),
        ("locale", wire::Profile { locale: "german".repeat(9), ..wish.clone() }),
        ("time_zone", wire::Profile { time_zone: "Mars/Olympus".to_owned(), ..wish }),
    ] {
        let refused = update(&auth, &viewer, bad, &[path]).await;
        assert_eq!(code(refused), Some(Code::RequestInvalid), "{path}");
    }
    let owner = auth.access("owner@example.org", "").await;
    assert_eq!(profile(&auth, &owner).await.display_name, "owner");
    auth.finish().await;
}

#[tokio::test]
async fn address_is_proved_by_the_link_that_went_there() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let viewer = auth.access(VIEWER, "").await;
    assert!(!profile(&auth, &viewer).await.email_verified);
    assert_eq!(send_proof(&auth, &viewer).await, None);
    assert_eq!(send_proof(&auth, &viewer).await, Some(Code::AuthThrottled));
    let token = token_to(&mail, VIEWER).await;
    // A link for one thing is none for another.
    assert_eq!(code(confirm(&auth, &token).await), Some(Code::LinkInvalid));
    assert_eq!(verify(&auth, &token).await.unwrap().into_inner().email, VIEWER);
    assert_eq!(code(verify(&auth, &token).await), Some(Code::LinkInvalid));
    assert!(profile(&auth, &viewer).await.email_verified);
    // What is proved needs no further mail.
    assert_eq!(send_proof(&auth, &viewer).await, None);
    let mails = "select count(*) from platform.mails";
    assert_eq!(auth.db.sql(mails).await.trim(), "1");
    auth.finish().await;
}

#[tokio::test]
async fn address_changes_once_both_have_agreed() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let viewer = auth.access(VIEWER, "").await;
    let asked = ask_change(&auth, &viewer, " Vera@Example.net ").await.unwrap().into_inner();
    assert_eq!(asked.email_change.unwrap().new_email, NEW);
    let (old, new) = (token_to(&mail, VIEWER).await, token_to(&mail, NEW).await);
    for _twice in 0..2 {
        assert!(!confirm(&auth, &new).await.unwrap().into_inner().changed);
    }
    let half = profile(&auth, &viewer).await;
    let change = half.email_change.unwrap();
    assert!(change.confirmed_by_new && !change.confirmed_by_old && half.email == VIEWER);
    auth.sessions().login(credentials(VIEWER, PASSWORD, "")).await.unwrap();
    assert!(confirm(&auth, &old).await.unwrap().into_inner().changed);
    for used in [&old, &new] {
        assert_eq!(code(confirm(&auth, used).await), Some(Code::LinkInvalid));
    }
    let done = profile(&auth, &viewer).await;
    assert!(done.email == NEW && done.email_verified && done.email_change.is_none());
    auth.sessions().login(credentials(NEW, PASSWORD, "")).await.unwrap();
    let gone = auth.sessions().login(credentials(VIEWER, PASSWORD, "")).await;
    assert_eq!(code(gone), Some(Code::AuthInvalidCredentials));
    auth.finish().await;
}

#[tokio::test]
async fn both_who_agree_at_once_change_the_address_once() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let viewer = auth.access(VIEWER, "").await;
    ask_change(&auth, &viewer, NEW).await.unwrap();
    let (old, new) = (token_to(&mail, VIEWER).await, token_to(&mail, NEW).await);
    let (one, two) = tokio::join!(confirm(&auth, &old), confirm(&auth, &new));
    let changed = [one, two].map(|answer| answer.unwrap().into_inner().changed);
    assert_eq!(changed.iter().filter(|changed| **changed).count(), 1);
    assert_eq!(profile(&auth, &viewer).await.email, NEW);
    auth.finish().await;
}

#[tokio::test]
async fn change_of_address_ends_by_its_time_its_owner_and_a_newer_one() {
    let log = logs::capture();
    // The clock is set ahead of what the feed last signed.
    log.expect("key set was refused");
    let (auth, mail) = Auth::start_with_mail().await;
    let viewer = auth.access(VIEWER, "").await;
    ask_change(&auth, &viewer, "first@example.net").await.unwrap();
    let first = token_to(&mail, "first@example.net").await;
    let cancel = bearer(wire::CancelEmailChangeRequest {}, &viewer);
    let kept = profiles(&auth).cancel_email_change(cancel).await.unwrap().into_inner();
    assert!(kept.email_change.is_none());
    assert_eq!(code(confirm(&auth, &first).await), Some(Code::LinkInvalid));
    // Giving up does not make the next mail come sooner.
    let soon = ask_change(&auth, &viewer, "second@example.net").await;
    assert_eq!(code(soon), Some(Code::AuthThrottled));
    auth.clock.advance(Span::minutes(2));
    let viewer = auth.access(VIEWER, "").await;
    ask_change(&auth, &viewer, "second@example.net").await.unwrap();
    let second = token_to(&mail, "second@example.net").await;
    auth.clock.advance(Span::minutes(2));
    let viewer = auth.access(VIEWER, "").await;
    ask_change(&auth, &viewer, "third@example.net").await.unwrap();
    assert_eq!(code(confirm(&auth, &second).await), Some(Code::LinkInvalid));
    let third = token_to(&mail, "third@example.net").await;
    auth.clock.advance(Span::days(1) - Span::seconds(1));
    assert!(confirm(&auth, &third).await.is_ok());
    auth.clock.advance(Span::seconds(1));
    assert_eq!(code(confirm(&auth, &third).await), Some(Code::LinkInvalid));
    auth.finish().await;
}

#[tokio::test]
async fn whether_an_address_has_an_account_shows_only_to_whoever_reads_its_mail() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let viewer = auth.access(VIEWER, "").await;
    // The answer is that for an address which has none.
    let asked = ask_change(&auth, &viewer, "bob@example.org").await.unwrap().into_inner();
    assert_eq!(asked.email_change.unwrap().new_email, "bob@example.org");
    let (old, new) = (token_to(&mail, VIEWER).await, token_to(&mail, "bob@example.org").await);
    confirm(&auth, &old).await.unwrap();
    assert_eq!(code(confirm(&auth, &new).await), Some(Code::ResourceExists));
    assert_eq!(profile(&auth, &viewer).await.email, VIEWER);
    let own = ask_change(&auth, &viewer, VIEWER).await;
    assert_eq!(code(own), Some(Code::RequestInvalid));
    auth.finish().await;
}

#[tokio::test]
async fn change_of_address_asks_for_a_fresh_proof_of_who_it_is() {
    let _log = logs::capture();
    let (auth, _mail) = Auth::start_with_mail().await;
    let session = auth.session(VIEWER, "").await;
    auth.clock.advance(Span::minutes(11));
    let viewer = auth.exchange(&session).await.unwrap();
    let stale = ask_change(&auth, &viewer, NEW).await;
    assert_eq!(code(stale), Some(Code::AuthStepUpRequired));
    auth.finish().await;
}
