//! Accounts that exist, linked by who is signed in to them.

use futures::future::join_all;

use super::*;

impl Party {
    /// Begins to link `subject` at a provider to whom the token is of.
    async fn begin_link(&self, who: &str, provider_id: &str, subject: &str) -> CallbackAnswer {
        let request = BeginIdentityLinkRequest { provider_id: provider_id.to_owned() };
        let begun = self.sign_ins().begin_identity_link(bearer(request, who)).await.unwrap();
        let code = subject.to_owned();
        let answer = CallbackAnswer { code, ..self.answered(begun.into_inner()) };
        self.say(|script| {
            script.nonces.insert(subject.to_owned(), script.nonce.clone());
            script.subjects.insert(subject.to_owned(), subject.to_owned());
        });
        answer
    }

    async fn end_link(&self, who: &str, answer: CallbackAnswer) -> Option<Code> {
        let request = CompleteIdentityLinkRequest { answer: Some(answer) };
        code(self.sign_ins().complete_identity_link(bearer(request, who)).await)
    }

    async fn link(&self, who: &str, provider_id: &str, subject: &str) -> Option<Code> {
        let answer = self.begin_link(who, provider_id, subject).await;
        self.end_link(who, answer).await
    }
}

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

#[tokio::test]
async fn nobody_is_linked_to_more_than_ten_identities_of_a_tenant() {
    let party = Party::start_with(|wish| wish.create_people = false).await;
    let full = Some(Code::LimitReached);
    let again = IdentityProvider { name: "Again".to_owned(), ..party.provider.clone() };
    let other = create(&party.auth, &party.owner, again).await.unwrap().provider_id;
    let own = party.provider.provider_id.clone();
    let viewer = party.auth.access("viewer@example.org", "acme").await;
    for subject in 0..5 {
        assert_eq!(party.link(&viewer, &own, &format!("a{subject}")).await, None);
        assert_eq!(party.link(&viewer, &other, &format!("b{subject}")).await, None);
    }
    for provider in [&own, &other] {
        assert_eq!(party.link(&viewer, provider, "c").await, full);
        // One of the ten, linked again, is none more; nor is what was refused anybody's.
        assert_eq!(party.link(&viewer, provider, "a0").await, None);
    }
    assert_eq!(party.link(&party.owner, &own, "c").await, None);
    let request = DeleteLinkedIdentityRequest { provider_id: other.clone() };
    party.sign_ins().delete_linked_identity(bearer(request, &viewer)).await.unwrap();
    assert_eq!(party.link(&viewer, &own, "d").await, None);
    party.auth.finish().await;
}

#[tokio::test]
async fn of_many_who_race_for_the_tenth_place_one_is_linked() {
    let party = Party::start_with(|wish| wish.create_people = false).await;
    let provider = party.provider.provider_id.clone();
    let viewer = party.auth.access("viewer@example.org", "acme").await;
    for subject in 0..9 {
        assert_eq!(party.link(&viewer, &provider, &format!("a{subject}")).await, None);
    }
    let mut answers = Vec::new();
    for subject in ["b0", "b1", "b2", "b3"] {
        answers.push(party.begin_link(&viewer, &provider, subject).await);
    }
    let ends = join_all(answers.into_iter().map(|answer| party.end_link(&viewer, answer))).await;
    assert_eq!(ends.iter().filter(|end| end.is_none()).count(), 1, "{ends:?}");
    let refused = ends.iter().filter(|end| **end == Some(Code::LimitReached)).count();
    assert_eq!(refused, 3, "{ends:?}");
    let count = "select count(*) from platform.identity_links";
    assert_eq!(party.auth.db.sql(count).await.trim(), "10");
    party.auth.finish().await;
}

#[tokio::test]
async fn identities_of_one_tenant_take_no_place_in_another() {
    let party = Party::start_with(|wish| wish.create_people = false).await;
    let provider = party.provider.provider_id.clone();
    let in_acme = party.auth.access("both@example.org", "acme").await;
    for subject in 0..10 {
        assert_eq!(party.link(&in_acme, &provider, &format!("a{subject}")).await, None);
    }
    let bob = party.auth.access("bob@example.org", "byte").await;
    let wish = IdentityProvider { client_secret: "s3cret".to_owned(), ..party.provider.clone() };
    let theirs = create(&party.auth, &bob, wish).await.unwrap().provider_id;
    let in_byte = party.auth.access("both@example.org", "byte").await;
    assert_eq!(party.link(&in_byte, &theirs, "a0").await, None);
    party.auth.finish().await;
}
