//! Tenants that require a second factor of their members.

use std::time::Duration;

use yard_contracts::identity::v1 as wire;
use yard_contracts::tenancy::v1::{Organization, UpdateOrganizationRequest};
use yard_fault::Code;
use yard_testkit::{eventually, logs};

use crate::factor_support::{Person, enrol};
use crate::support::{Auth, PASSWORD, bearer, code, credentials};

pub(crate) async fn require(auth: &Auth, token: &str, required: bool) -> Option<Code> {
    let request = UpdateOrganizationRequest {
        organization: Some(Organization {
            second_factor_required: required,
            ..Organization::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["second_factor_required".to_owned()],
        }),
    };
    code(auth.organization().update_organization(bearer(request, token)).await)
}

/// A session as it is once everybody has heard of what changed: until then its tokens are void.
pub(crate) async fn settled(auth: &Auth, session: &str) -> (String, wire::Me) {
    // Told late, it would void a token that was good a moment before.
    auth.told().await;
    eventually(Duration::from_secs(20), async || {
        let token = auth.exchange(session).await?;
        let me = auth.sessions().get_me(bearer(wire::GetMeRequest {}, &token)).await?;
        Ok::<_, tonic::Status>((token, me.into_inner()))
    })
    .await
}

async fn missing(auth: &Auth, session: &str) -> bool {
    settled(auth, session).await.1.second_factor_missing
}

async fn api_token(auth: &Auth, token: &str) -> String {
    let request = wire::CreateApiTokenRequest {
        name: "x".to_owned(),
        abilities: vec!["devices.read".to_owned()],
        expires_in_days: 1,
    };
    let made = auth.tokens().create_api_token(bearer(request, token)).await;
    made.unwrap().into_inner().secret
}

#[tokio::test]
async fn member_without_a_factor_may_enrol_one_and_nothing_else() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let owner = Person::enrolled(&auth, "owner@example.org", "").await;
    let viewer = auth.session("viewer@example.org", "").await;
    let before = auth.exchange(&viewer).await.unwrap();
    let program = api_token(&auth, &before).await;
    let owners = auth.exchange(&owner.session).await.unwrap();
    assert!(follower.verify(&before).is_ok());
    assert_eq!(require(&auth, &owners, true).await, None);
    // Tokens that were issued before are void everywhere within moments.
    eventually(Duration::from_secs(20), async || follower.verify(&before).is_err()).await;

    let (token, who) = settled(&auth, &viewer).await;
    assert!(who.second_factor_missing && who.permissions.is_empty());
    let claims = auth.claims(&token);
    assert!(claims.lacks_factor && claims.permissions.is_empty());
    let required = Some(Code::AuthSecondFactorRequired);
    let people = bearer(wire::ListPeopleRequest::default(), &token);
    assert_eq!(code(auth.people().list_people(people).await), required);
    let tokens = bearer(wire::ListApiTokensRequest::default(), &token);
    assert_eq!(code(auth.tokens().list_api_tokens(tokens).await), required);
    let codes = bearer(wire::RegenerateRecoveryCodesRequest {}, &token);
    assert_eq!(code(auth.factors().regenerate_recovery_codes(codes).await), required);
    assert_eq!(code(auth.exchange(&program).await.map(tonic::Response::new)), required);
    // A new sign-in says so at once.
    let answer = auth.sessions().login(credentials("viewer@example.org", PASSWORD, "")).await;
    assert!(answer.unwrap().into_inner().me.unwrap().second_factor_missing);

    let (_app, change) = enrol(&auth, &token).await;
    assert!(change.factors.unwrap().required);
    let (token, who) = settled(&auth, &viewer).await;
    assert!(!who.second_factor_missing);
    let people = bearer(wire::ListPeopleRequest::default(), &token);
    assert_eq!(code(auth.people().list_people(people).await), None);
    // What was made without a factor stays out; what is made now is good.
    assert_eq!(code(auth.exchange(&program).await.map(tonic::Response::new)), required);
    let program = api_token(&auth, &token).await;
    auth.exchange(&program).await.unwrap();
    // The last factor cannot go while it is required.
    let remove = bearer(wire::RemoveTotpRequest {}, &token);
    assert_eq!(code(auth.factors().remove_totp(remove).await), required);
    auth.finish().await;
}

#[tokio::test]
async fn requirement_is_switched_on_by_those_who_meet_it_and_off_again() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let required = Some(Code::AuthSecondFactorRequired);
    let token = auth.access("owner@example.org", "").await;
    assert_eq!(require(&auth, &token, true).await, required);
    assert_eq!(require(&auth, &token, false).await, None);
    let owner = Person::enrolled(&auth, "owner@example.org", "").await;
    let token = auth.exchange(&owner.session).await.unwrap();
    assert_eq!(require(&auth, &token, true).await, None);
    let viewer = auth.session("viewer@example.org", "").await;
    assert!(missing(&auth, &viewer).await);
    let operator = settled(&auth, &auth.session("operator@example.org", "").await).await.0;
    assert_eq!(require(&auth, &operator, false).await, required);
    let token = settled(&auth, &owner.session).await.0;
    assert_eq!(require(&auth, &token, false).await, None);
    assert!(!missing(&auth, &viewer).await);
    auth.finish().await;
}

#[tokio::test]
async fn requirement_of_one_tenant_is_none_of_another() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    auth.db.sql("update platform.tenants set second_factor_required = slug = 'acme'").await;
    for (email, tenant, lacks) in [
        ("both@example.org", "acme", true),
        ("both@example.org", "byte", false),
        ("root@example.org", "", false),
    ] {
        let session = auth.session(email, tenant).await;
        assert_eq!(missing(&auth, &session).await, lacks, "{email} in {tenant}");
    }
    // A factor shown is one everywhere.
    let both = Person::enrolled(&auth, "both@example.org", "byte").await;
    let session = both.sign_in(&auth, "acme").await;
    assert!(!missing(&auth, &session).await);
    auth.finish().await;
}
