//! How fresh a provider's word is, and where no word of one is enough.

use yard_contracts::identity::v1::profile_service_client::ProfileServiceClient;
use yard_contracts::identity::v1::{
    ChangePasswordRequest, GetProfileRequest, ReauthenticateRequest, RequestEmailChangeRequest,
};
use yard_testkit::TestMail;

use super::*;
use crate::recovery::forgotten;
use crate::support::{PASSWORD, credentials, plain_smtp};

/// Something in the tenant that asks for a proof of the last ten minutes.
async fn sensitive(party: &Party, access: &str) -> Option<Code> {
    create(&party.auth, access, party.provider.clone())
        .await
        .err()
        .map(|status| Fault::from_status(&status).code())
}

#[tokio::test]
async fn word_of_a_provider_is_as_fresh_as_it_says_and_not_at_all_where_it_does_not() {
    let party = Party::start_with(|wish| wish.default_role = "owner".to_owned()).await;
    let now = party.auth.clock.now().unix_timestamp();
    for (said, expected) in [
        (json!(null), Some(Code::AuthStepUpRequired)),
        (json!("now"), Some(Code::AuthStepUpRequired)),
        (json!(now - 601), Some(Code::AuthStepUpRequired)),
        (json!(now - 600), None),
        (json!(now + 5), None),
    ] {
        party.say(|script| script.claims = json!({"auth_time": said}));
        let access = party.access().await;
        assert_eq!(sensitive(&party, &access).await, expected, "{said}");
    }
    // A clock that is ahead makes it no fresher than now.
    party.say(|script| script.claims = json!({"auth_time": now + 100_000}));
    assert_eq!(party.enter().await.auth_time, Some(now));
    party.auth.finish().await;
}

#[tokio::test]
async fn fresh_proof_is_asked_of_the_provider_and_never_of_a_password() {
    let party = Party::start_with(|wish| wish.default_role = "owner".to_owned()).await;
    let begin = async |anew: bool| {
        let provider_id = party.provider.provider_id.clone();
        let request = BeginFederatedSignInRequest { provider_id, anew };
        let begun = party.sign_ins().begin_federated_sign_in(request).await.unwrap().into_inner();
        begun.authorization_url
    };
    assert!(!begin(false).await.contains("prompt="));
    assert!(begin(true).await.ends_with("&prompt=login&max_age=0"));
    let access = party.access().await;
    let proof = ReauthenticateRequest { password: PASSWORD.to_owned(), ..Default::default() };
    let own = Some(Code::AuthOwnSignInRequired);
    let mut sessions = party.auth.sessions();
    assert_eq!(code(sessions.reauthenticate(bearer(proof, &access)).await), own);
    let change = ChangePasswordRequest::default();
    assert_eq!(code(sessions.change_password(bearer(change, &access)).await), own);
    party.auth.finish().await;
}

#[tokio::test]
async fn profile_is_shown_to_a_provider_without_where_the_account_goes() {
    let mail = TestMail::start().await;
    let own = |wish: &mut IdentityProvider| wish.create_people = false;
    let party = Party::start_mailing(own, plain_smtp(&mail)).await;
    let viewer = party.auth.access("viewer@example.org", "acme").await;
    let provider_id = party.provider.provider_id.clone();
    let request = BeginIdentityLinkRequest { provider_id };
    let begun = party.sign_ins().begin_identity_link(bearer(request, &viewer)).await.unwrap();
    let answer = Some(party.answered(begun.into_inner()));
    let request = CompleteIdentityLinkRequest { answer };
    party.sign_ins().complete_identity_link(bearer(request, &viewer)).await.unwrap();
    let mut profiles = ProfileServiceClient::new(party.auth.channel());
    let email = "elsewhere@example.net".to_owned();
    let change = RequestEmailChangeRequest { email };
    profiles.request_email_change(bearer(change.clone(), &viewer)).await.unwrap();
    let by_provider = party.access().await;
    let mut seen = async |who: &str| {
        profiles.get_profile(bearer(GetProfileRequest {}, who)).await.unwrap().into_inner()
    };
    let shown = seen(&by_provider).await;
    assert_eq!((shown.email.as_str(), shown.email_change), ("viewer@example.org", None));
    assert!(seen(&viewer).await.email_change.is_some());
    let refused = profiles.request_email_change(bearer(change, &by_provider)).await;
    assert_eq!(code(refused), Some(Code::AuthOwnSignInRequired));
    party.auth.finish().await;
}

#[tokio::test]
async fn owner_of_an_address_takes_the_account_over_that_a_provider_made_of_it() {
    let mail = TestMail::start().await;
    let party = Party::start_mailing(|_wish| {}, plain_smtp(&mail)).await;
    let opened = party.sign_in().await.unwrap();
    let verified = "select count(email_verified_at) from platform.people \
        where email = 'new@acme.example'";
    assert_eq!(party.auth.db.sql(verified).await.trim(), "0");
    let login = async |password: &str| {
        let request = credentials("new@acme.example", password, "");
        code(party.auth.sessions().login(request).await)
    };
    // Nobody knows its password.
    assert_eq!(login(PASSWORD).await, Some(Code::AuthInvalidCredentials));
    forgotten(&party.auth, &mail, "new@acme.example").await;
    assert!(party.auth.exchange(&opened.session_token).await.is_err());
    assert_eq!(party.auth.db.sql(verified).await.trim(), "1");
    assert_eq!(login("a better password").await, None);
    party.auth.finish().await;
}
