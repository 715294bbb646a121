//! Accounts that exist, linked by who is signed in to them.

use super::*;

#[tokio::test]
async fn account_is_linked_by_who_is_signed_in_and_by_nobody_else() {
    let party = Party::start_with(|wish| {
        (wish.create_people, wish.email_domains) = (false, Vec::new());
    })
    .await;
    assert_eq!(party.sign_in().await, Err(Code::FederationNotLinked));
    let provider_id = party.provider.provider_id.clone();
    let begin = async |who: &str| {
        let request = BeginIdentityLinkRequest { provider_id: provider_id.clone() };
        party.sign_ins().begin_identity_link(bearer(request, who)).await
    };
    let finish = async |answer: CallbackAnswer, who: &str| {
        let request = CompleteIdentityLinkRequest { answer: Some(answer) };
        party.sign_ins().complete_identity_link(bearer(request, who)).await
    };
    let viewer = party.auth.access("viewer@example.org", "acme").await;
    let bob = party.auth.access("bob@example.org", "byte").await;
    assert_eq!(code(begin(&bob).await), Some(Code::ResourceNotFound));
    let stolen = party.answered(begin(&viewer).await.unwrap().into_inner());
    assert_eq!(code(finish(stolen, &party.owner).await), Some(Code::FederationRefused));
    // A link is no sign-in, and a sign-in no link.
    let link = party.answered(begin(&viewer).await.unwrap().into_inner());
    assert_eq!(party.complete(link).await, Err(Code::FederationRefused));
    let sign_in = party.begin().await;
    assert_eq!(code(finish(sign_in, &viewer).await), Some(Code::FederationRefused));

    let link = party.answered(begin(&viewer).await.unwrap().into_inner());
    assert_eq!(finish(link, &viewer).await.unwrap().into_inner().subject, "u1");
    let opened = party.sign_in().await.unwrap();
    let claims = party.auth.claims(&party.auth.exchange(&opened.session_token).await.unwrap());
    assert_eq!(claims.sub, party.auth.claims(&viewer).sub);
    let second = party.answered(begin(&party.owner).await.unwrap().into_inner());
    assert_eq!(code(finish(second, &party.owner).await), Some(Code::ResourceExists));

    party.auth.clock.advance(Duration::minutes(6));
    let session = party.auth.session("owner@example.org", "acme").await;
    party.auth.clock.advance(Duration::seconds(601));
    let owner = party.auth.exchange(&session).await.unwrap();
    assert_eq!(code(begin(&owner).await), Some(Code::AuthStepUpRequired));
    party.auth.finish().await;
}

#[tokio::test]
async fn link_that_is_taken_away_takes_its_sessions_with_it() {
    let party = Party::start_with(|wish| {
        (wish.create_people, wish.email_domains) = (false, Vec::new());
    })
    .await;
    let viewer = party.auth.access("viewer@example.org", "acme").await;
    let provider_id = party.provider.provider_id.clone();
    let request = BeginIdentityLinkRequest { provider_id: provider_id.clone() };
    let begun = party.sign_ins().begin_identity_link(bearer(request, &viewer)).await.unwrap();
    let answer = party.answered(begun.into_inner());
    let request = CompleteIdentityLinkRequest { answer: Some(answer) };
    party.sign_ins().complete_identity_link(bearer(request, &viewer)).await.unwrap();
    let opened = party.sign_in().await.unwrap();
    let unlink = async |who: &str| {
        let request = DeleteLinkedIdentityRequest { provider_id: provider_id.clone() };
        code(party.sign_ins().delete_linked_identity(bearer(request, who)).await)
    };
    assert_eq!(unlink(&party.owner).await, Some(Code::ResourceNotFound));
    assert_eq!(unlink(&viewer).await, None);
    assert_eq!(unlink(&viewer).await, Some(Code::ResourceNotFound));
    assert!(party.auth.exchange(&opened.session_token).await.is_err());
    assert_eq!(party.sign_in().await, Err(Code::FederationNotLinked));
    party.auth.finish().await;
}
