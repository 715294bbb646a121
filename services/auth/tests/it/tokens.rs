//! API tokens: shown once, no stronger than their owner, and ended as soon as anything ends them.

use std::time::Duration;

use time::Duration as Span;
use yard_authn::TokenError;
use yard_contracts::identity::v1::{
    ApiToken, CreateApiTokenRequest, CreateApiTokenResponse, GetMeRequest, ListApiTokensRequest,
    LogoutRequest, RevokeApiTokenRequest,
};
use yard_fault::Code;
use yard_testkit::eventually;

use crate::support::{Auth, bearer, code};

const SOON: Duration = Duration::from_secs(2);

fn wish(name: &str, abilities: &[&str], days: i32) -> CreateApiTokenRequest {
    CreateApiTokenRequest {
        name: name.to_owned(),
        abilities: abilities.iter().map(|&ability| ability.to_owned()).collect(),
        expires_in_days: days,
    }
}

async fn make(auth: &Auth, access: &str, abilities: &[&str]) -> CreateApiTokenResponse {
    let request = bearer(wish("robot", abilities, 0), access);
    auth.tokens().create_api_token(request).await.unwrap().into_inner()
}

async fn list(auth: &Auth, access: &str) -> Vec<ApiToken> {
    let request = bearer(ListApiTokensRequest::default(), access);
    auth.tokens().list_api_tokens(request).await.unwrap().into_inner().tokens
}

#[tokio::test]
async fn token_does_what_its_abilities_say_and_is_kept_as_a_hash() {
    let auth = Auth::start().await;
    let owner = auth.access("owner@example.org", "acme").await;
    let made = make(&auth, &owner, &["devices.read", "devices.read", "telemetry.read"]).await;
    let token = made.token.unwrap();
    assert_eq!(token.abilities, ["devices.read", "telemetry.read"]);
    let claims = auth.claims(&auth.exchange(&made.secret).await.unwrap());
    assert_eq!(claims.permissions, token.abilities);
    assert_eq!(claims.api_token.unwrap().to_string(), token.token_id);
    assert_eq!((claims.tenant, claims.sid), (Some(auth.tenant("acme").await), None));
    let days = (token.expires_at.unwrap().seconds - token.created_at.unwrap().seconds) / 86_400;
    assert_eq!(days, 90);
    let stored = auth.db.sql("select to_jsonb(t)::text from platform.api_tokens t").await;
    let secret = made.secret.split('_').nth(2).unwrap();
    assert!(!stored.contains(secret), "{stored}");
    let listed = list(&auth, &owner).await;
    assert_eq!(listed.len(), 1);
    assert!(listed[0].last_used_at.is_some(), "the exchange is a use");
    auth.finish().await;
}

#[tokio::test]
async fn token_cannot_do_what_only_a_person_may() {
    let auth = Auth::start().await;
    let owner = auth.access("owner@example.org", "acme").await;
    let made = make(&auth, &owner, &["devices.manage"]).await;
    let access = auth.exchange(&made.secret).await.unwrap();
    let again = bearer(wish("x", &["devices.manage"], 1), &access);
    let again = auth.tokens().create_api_token(again).await;
    assert_eq!(code(again), Some(Code::AuthSessionRequired));
    let token_id = made.token.unwrap().token_id;
    let revoked = bearer(RevokeApiTokenRequest { token_id }, &access);
    let revoked = auth.tokens().revoke_api_token(revoked).await;
    assert_eq!(code(revoked), Some(Code::AuthSessionRequired));
    let out = auth.sessions().logout(bearer(LogoutRequest {}, &access)).await;
    assert_eq!(code(out), Some(Code::AuthSessionRequired));
    let me = auth.sessions().get_me(bearer(GetMeRequest {}, &access)).await.unwrap();
    assert_eq!(me.into_inner().permissions, ["devices.manage"]);
    auth.finish().await;
}

#[tokio::test]
async fn wishes_beyond_the_bounds_are_refused() {
    let auth = Auth::start().await;
    let viewer = auth.access("viewer@example.org", "acme").await;
    let long = "x".repeat(101);
    let held = ["devices.read"];
    for (name, abilities, days) in [
        ("", held.as_slice(), 1),
        (" ", held.as_slice(), 1),
        (&long, held.as_slice(), 1),
        ("a\nb", held.as_slice(), 1),
        ("x", &[], 1),
        ("x", &["devices.manage"], 1),
        ("x", &["devices.read", "keys.manage"], 1),
        ("x", held.as_slice(), -1),
        ("x", held.as_slice(), 366),
    ] {
        let request = bearer(wish(name, abilities, days), &viewer);
        let refused = auth.tokens().create_api_token(request).await;
        assert_eq!(code(refused), Some(Code::RequestInvalid), "{name:?} {abilities:?} {days}");
    }
    for days in [1, 365] {
        let request = bearer(wish(&"x".repeat(100), &held, days), &viewer);
        assert!(auth.tokens().create_api_token(request).await.is_ok(), "{days}");
    }
    auth.finish().await;
}

#[tokio::test]
async fn token_ends_at_its_expiry_and_when_it_is_revoked() {
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let owner = auth.access("owner@example.org", "acme").await;
    let first = make(&auth, &owner, &["devices.read"]).await;
    let access = auth.exchange(&first.secret).await.unwrap();
    assert!(follower.verify(&access).is_ok());
    let token_id = first.token.unwrap().token_id;
    for _twice in 0..2 {
        let request = bearer(RevokeApiTokenRequest { token_id: token_id.clone() }, &owner);
        assert!(auth.tokens().revoke_api_token(request).await.is_ok());
    }
    assert_eq!(fault(auth.exchange(&first.secret).await), Some(Code::AuthApiTokenInvalid));
    eventually(SOON, || async { matches!(follower.verify(&access), Err(TokenError::Revoked)) })
        .await;
    let second = make(&auth, &owner, &["devices.read"]).await;
    auth.clock.advance(Span::days(90) - Span::seconds(1));
    assert!(auth.exchange(&second.secret).await.is_ok());
    auth.clock.advance(Span::seconds(1));
    assert_eq!(fault(auth.exchange(&second.secret).await), Some(Code::AuthApiTokenInvalid));
    auth.finish().await;
}

#[tokio::test]
async fn token_shrinks_with_its_owner_and_ends_with_the_membership() {
    let auth = Auth::start().await;
    let owner = auth.access("owner@example.org", "acme").await;
    let made = make(&auth, &owner, &["devices.read", "devices.manage"]).await;
    // A tenant keeps an owner, so that another has to be one first.
    let person = "principal_id = (select principal_id from platform.people \
                  where email = 'owner@example.org')";
    auth.db.sql("update platform.memberships set role = 'owner' where role = 'operator'").await;
    auth.db.sql(&format!("update platform.memberships set role = 'viewer' where {person}")).await;
    let claims = auth.claims(&auth.exchange(&made.secret).await.unwrap());
    assert_eq!(claims.permissions, ["devices.read"]);
    auth.db.sql(&format!("delete from platform.memberships where {person}")).await;
    assert_eq!(fault(auth.exchange(&made.secret).await), Some(Code::AuthApiTokenInvalid));
    auth.finish().await;
}

#[tokio::test]
async fn tokens_of_others_and_of_ones_other_tenants_are_not_there() {
    let auth = Auth::start().await;
    let here = auth.access("both@example.org", "acme").await;
    let there = auth.access("both@example.org", "byte").await;
    let other = auth.access("owner@example.org", "acme").await;
    let made = make(&auth, &here, &["devices.read"]).await.token.unwrap();
    for stranger in [&there, &other] {
        assert!(list(&auth, stranger).await.is_empty());
        let request = RevokeApiTokenRequest { token_id: made.token_id.clone() };
        let refused = auth.tokens().revoke_api_token(bearer(request, stranger)).await;
        assert_eq!(code(refused), Some(Code::ResourceNotFound));
    }
    assert_eq!(list(&auth, &here).await.len(), 1);
    auth.finish().await;
}

fn fault(answer: Result<String, tonic::Status>) -> Option<Code> {
    answer.err().map(|status| yard_fault::Fault::from_status(&status).code())
}
