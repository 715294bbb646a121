//! What ends is known to every service within moments, whatever breaks in between.

use std::time::Duration;

use yard_authn::{TokenError, Verifier};
use yard_contracts::identity::v1::LogoutRequest;
use yard_testkit::eventually;

use crate::support::{Auth, bearer};

/// The feed's promise.
const SOON: Duration = Duration::from_secs(2);

fn revoked(verifier: &Verifier, token: &str) -> bool {
    matches!(verifier.verify(token), Err(TokenError::Revoked))
}

#[tokio::test]
async fn session_that_is_signed_out_is_refused_by_another_service_within_two_seconds() {
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let token = auth.access("viewer@example.org", "acme").await;
    let other = auth.access("owner@example.org", "acme").await;
    assert!(follower.verify(&token).is_ok());
    auth.sessions().logout(bearer(LogoutRequest {}, &token)).await.unwrap();
    eventually(SOON, || async { revoked(&follower, &token) }).await;
    assert!(follower.verify(&other).is_ok(), "nobody else is meant");
    auth.finish().await;
}

#[tokio::test]
async fn whatever_ends_a_right_reaches_other_services_without_being_told_to() {
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let person = "(select principal_id from platform.people where email = '{}')";
    let viewer = person.replace("{}", "viewer@example.org");
    let root = person.replace("{}", "root@example.org");
    let acme = "(select id from platform.tenants where slug = 'acme')";
    for (email, tenant, change) in [
        (
            "viewer@example.org",
            "acme",
            format!(
                "update platform.memberships set role = 'operator' where principal_id = {viewer}"
            ),
        ),
        (
            "viewer@example.org",
            "acme",
            format!("update platform.principals set disabled_at = now() where id = {viewer}"),
        ),
        (
            "both@example.org",
            "acme",
            format!("update platform.tenants set state = 'suspended' where id = {acme}"),
        ),
        (
            "root@example.org",
            "",
            format!(
                "update platform.people set system_administrator = false where principal_id = {root}"
            ),
        ),
        (
            "both@example.org",
            "byte",
            "delete from platform.memberships where role = 'viewer'".to_owned(),
        ),
    ] {
        let token = auth.access(email, tenant).await;
        assert!(follower.verify(&token).is_ok(), "{change}");
        auth.db.sql(&change).await;
        eventually(SOON, || async { revoked(&follower, &token) }).await;
    }
    auth.finish().await;
}

#[tokio::test]
async fn change_of_a_role_voids_the_old_token_and_not_the_next() {
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let session = auth.session("viewer@example.org", "acme").await;
    let before = auth.exchange(&session).await.unwrap();
    auth.db.sql("update platform.memberships set role = 'operator' where role = 'viewer'").await;
    eventually(SOON, || async { revoked(&follower, &before) }).await;
    let after = auth.exchange(&session).await.unwrap();
    assert_eq!(follower.verify(&after).unwrap().role, "operator");
    auth.finish().await;
}

#[tokio::test]
async fn revocation_that_was_committed_while_auth_was_down_is_published_at_its_start() {
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let token = auth.access("viewer@example.org", "acme").await;
    let auth = auth
        .restart_with(async |engines| {
            // As if it had crashed between its commit and the feed.
            engines.db.sql("update platform.sessions set revoked_at = now()").await;
        })
        .await
        .unwrap();
    eventually(Duration::from_secs(10), || async { revoked(&follower, &token) }).await;
    auth.finish().await;
}

#[tokio::test]
async fn bucket_that_the_broker_lost_is_filled_again() {
    let auth = Auth::start().await;
    let token = auth.access("viewer@example.org", "acme").await;
    auth.sessions().logout(bearer(LogoutRequest {}, &token)).await.unwrap();
    let follower = auth.follower().await;
    eventually(SOON, || async { revoked(&follower, &token) }).await;
    let jetstream = async_nats::jetstream::new(auth.nats.client().await);
    jetstream.delete_stream("KV_revocations").await.unwrap();
    // Who starts after the loss knows of it all the same; auth notices within its heartbeat.
    eventually(Duration::from_secs(20), || async {
        let newcomer = auth.follower().await;
        revoked(&newcomer, &token)
    })
    .await;
    auth.finish().await;
}
