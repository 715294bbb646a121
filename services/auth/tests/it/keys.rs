//! Signing keys on a real database, as services and operators see them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use time::Duration as Span;
use yard_authn::TokenError;
use yard_contracts::identity::v1::{
    ListSigningKeysRequest, RevokeSigningKeyRequest, RotateSigningKeysRequest, SigningKey,
    SigningKeyState,
};
use yard_fault::Code;
use yard_testkit::eventually;

use crate::support::{Auth, bearer, code};

const SOON: Duration = Duration::from_secs(2);
/// The plan is looked at every five seconds.
const PLANNED: Duration = Duration::from_secs(12);

async fn root(auth: &Auth) -> String {
    auth.access("root@example.org", "").await
}

async fn list(auth: &Auth) -> Vec<SigningKey> {
    let request = bearer(ListSigningKeysRequest::default(), &root(auth).await);
    auth.keys().list_signing_keys(request).await.unwrap().into_inner().keys
}

async fn published(auth: &Auth) -> Vec<String> {
    let set: Value = serde_json::from_str(&auth.get("/.well-known/jwks.json").await).unwrap();
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn kid(auth: &Auth) -> String {
    let token = auth.access("owner@example.org", "acme").await;
    auth.follower().await.verify(&token).unwrap().kid
}

#[tokio::test]
async fn key_set_holds_the_active_and_the_pending_key_from_the_first_start() {
    let auth = Auth::start().await;
    let keys = list(&auth).await;
    let of = |state| keys.iter().filter(|key| key.state() == state).collect::<Vec<_>>();
    let (active, pending) = (of(SigningKeyState::Active), of(SigningKeyState::Pending));
    assert_eq!((keys.len(), active.len(), pending.len()), (2, 1, 1));
    assert_eq!(active[0].kid, "issuer:of-a-test", "the file's key is the first");
    let mut shown = published(&auth).await;
    shown.sort();
    let mut listed: Vec<String> = keys.iter().map(|key| key.kid.clone()).collect();
    listed.sort();
    assert_eq!(shown, listed);
    let stored = auth.db.sql("select encode(sealed, 'hex') from platform.signing_keys").await;
    let file = std::fs::read_to_string(auth.folder.join("issuer.key")).unwrap();
    let body: String = file.lines().filter(|line| !line.starts_with('-')).collect();
    let private: String =
        STANDARD.decode(body).unwrap().iter().map(|b| format!("{b:02x}")).collect();
    let half = private.get(32..96).unwrap();
    assert!(!stored.contains(half), "private halves are sealed");
    auth.finish().await;
}

#[tokio::test]
async fn keys_rotate_by_the_plan_and_services_learn_the_next_without_a_restart() {
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let first = kid(&auth).await;
    auth.clock.advance(Span::days(30));
    let session = auth.session("owner@example.org", "acme").await;
    eventually(PLANNED, || async {
        let token = auth.exchange(&session).await.unwrap();
        follower.verify_fresh(&token).await.is_ok_and(|claims| claims.kid != first)
    })
    .await;
    assert!(published(&auth).await.contains(&first), "its last tokens still verify");
    auth.clock.advance(Span::minutes(15));
    eventually(PLANNED, || async { !published(&auth).await.contains(&first) }).await;
    let keys = list(&auth).await;
    let gone = keys.iter().find(|key| key.kid == first).unwrap();
    assert_eq!((gone.state(), gone.reason.as_str()), (SigningKeyState::Revoked, "expired"));
    let left = auth.db.sql("select count(*) from platform.signing_keys where sealed is null").await;
    assert_eq!(left.trim(), "1", "its private half is destroyed");
    auth.finish().await;
}

#[tokio::test]
async fn rotation_by_hand_waits_for_every_verifier_unless_it_is_an_emergency() {
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let before = auth.access("owner@example.org", "acme").await;
    let root = root(&auth).await;
    let rotate = |emergency| bearer(RotateSigningKeysRequest { emergency }, &root);
    let early = auth.keys().rotate_signing_keys(rotate(false)).await;
    assert_eq!(code(early), Some(Code::KeyNotReady));
    let change = auth.keys().rotate_signing_keys(rotate(true)).await.unwrap().into_inner();
    assert_eq!(change.active.unwrap().state(), SigningKeyState::Active);
    assert_eq!(change.previous.unwrap().state(), SigningKeyState::Retiring);
    let after = auth.access("owner@example.org", "acme").await;
    eventually(SOON, || async { follower.verify(&after).is_ok() }).await;
    assert!(follower.verify(&before).is_ok(), "what was signed before still verifies");
    auth.finish().await;
}

#[tokio::test]
async fn withdrawn_key_is_refused_everywhere_within_two_seconds_and_sessions_go_on() {
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let session = auth.session("owner@example.org", "acme").await;
    let before = auth.exchange(&session).await.unwrap();
    let active = follower.verify(&before).unwrap().kid;
    let root = root(&auth).await;
    let revoke = |kid: &str, reason: &str| {
        let request = RevokeSigningKeyRequest { kid: kid.to_owned(), reason: reason.to_owned() };
        bearer(request, &root)
    };
    for reason in ["", " ", "expired", &"x".repeat(201)] {
        let refused = auth.keys().revoke_signing_key(revoke(&active, reason)).await;
        assert_eq!(code(refused), Some(Code::RequestInvalid), "{reason:?}");
    }
    let unknown = auth.keys().revoke_signing_key(revoke("issuer:none", "x")).await;
    assert_eq!(code(unknown), Some(Code::ResourceNotFound));
    let done = auth.keys().revoke_signing_key(revoke(&active, "was seen in a log")).await.unwrap();
    assert_ne!(done.into_inner().active.unwrap().kid, active);
    eventually(SOON, || async {
        matches!(follower.verify(&before), Err(TokenError::Revoked | TokenError::UnknownKey))
    })
    .await;
    assert!(!published(&auth).await.contains(&active));
    let after = auth.exchange(&session).await.unwrap();
    eventually(SOON, || async { follower.verify(&after).is_ok() }).await;
    auth.finish().await;
}

#[tokio::test]
async fn keys_are_for_system_administrators_only() {
    let auth = Auth::start().await;
    for (email, tenant) in [("owner@example.org", "acme"), ("viewer@example.org", "acme")] {
        let token = auth.access(email, tenant).await;
        let request = bearer(ListSigningKeysRequest::default(), &token);
        let listed = auth.keys().list_signing_keys(request).await;
        assert_eq!(code(listed), Some(Code::AuthForbidden), "{email}");
        let rotated = bearer(RotateSigningKeysRequest { emergency: true }, &token);
        let rotated = auth.keys().rotate_signing_keys(rotated).await;
        assert_eq!(code(rotated), Some(Code::AuthForbidden), "{email}");
    }
    auth.finish().await;
}

#[tokio::test]
async fn sealing_key_is_changed_with_two_in_force_and_not_lost_while_it_is_needed() {
    let line = |kid: &str, byte: u8| format!("{kid}:{}\n", STANDARD.encode([byte; 32]));
    let auth = Auth::start().await;
    let first = kid(&auth).await;
    let both = line("k2", 9) + &line("k1", 7);
    let auth = auth
        .restart_with(async |engines| {
            std::fs::write(engines.folder.join("sealing.key"), &both).unwrap();
        })
        .await
        .unwrap();
    assert_eq!(kid(&auth).await, first, "the same keys, sealed anew");
    let sealed: Vec<String> = list(&auth).await.into_iter().map(|key| key.sealed_with).collect();
    assert_eq!(sealed, ["k2", "k2"]);
    let auth = auth
        .restart_with(async |engines| {
            std::fs::write(engines.folder.join("sealing.key"), line("k2", 9)).unwrap();
        })
        .await
        .unwrap();
    assert_eq!(kid(&auth).await, first);
    let refused = auth
        .restart_with(async |engines| {
            std::fs::write(engines.folder.join("sealing.key"), line("k3", 3)).unwrap();
        })
        .await;
    let problem = refused.err().unwrap().to_string();
    assert!(problem.contains("sealing.key_file") && problem.contains("k2"), "{problem}");
}
