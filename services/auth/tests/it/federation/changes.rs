//! Providers that change in place.

use yard_testkit::eventually;

use super::*;
use crate::rights_support::{Desk, SOON, revoked};

fn refusal(refused: Result<IdentityProvider, tonic::Status>) -> (Code, Option<String>) {
    let fault = Fault::from_status(&refused.unwrap_err());
    (fault.code(), fault.pointer().map(str::to_owned))
}

impl Party {
    async fn change(
        &self,
        set: impl FnOnce(&mut IdentityProvider),
        mask: &[&str],
    ) -> Result<IdentityProvider, tonic::Status> {
        let provider_id = self.provider.provider_id.clone();
        let mut wanted = IdentityProvider { provider_id, ..IdentityProvider::default() };
        set(&mut wanted);
        change(&self.auth, &self.owner, wanted, mask).await
    }

    async fn offered(&self) -> usize {
        let request = ListSignInProvidersRequest { tenant: "acme".to_owned() };
        let offered = self.sign_ins().list_sign_in_providers(request).await.unwrap();
        offered.into_inner().providers.len()
    }
}

#[tokio::test]
async fn provider_has_another_secret_and_knows_whom_it_brought() {
    let party = Party::start().await;
    let by_form = json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]});
    party.say(|script| script.document = by_form);
    let first = party.sign_in().await.unwrap();
    let set = |wanted: &mut IdentityProvider| {
        wanted.client_id = "another".to_owned();
        wanted.client_secret = "newer".to_owned();
        // What is not named stays.
        wanted.name = "Not so".to_owned();
    };
    let changed = party.change(set, &["client_id", "client_secret"]).await.unwrap();
    let expected = IdentityProvider {
        client_id: "another".to_owned(),
        changed_at: changed.changed_at,
        ..party.provider.clone()
    };
    assert_eq!(changed, expected);
    assert!(changed.changed_at.is_some() && changed.client_secret.is_empty());
    let stored = "select to_jsonb(p)::text from platform.identity_providers p";
    assert!(!party.auth.db.sql(stored).await.contains("newer"));

    party.say(|script| script.claims = json!({"aud": "another"}));
    let again = party.sign_in().await.unwrap();
    assert_eq!(first.principal_id, again.principal_id);
    let sent = party.script.lock().unwrap().forms.last().cloned().unwrap();
    for (name, value) in [("client_id", "another"), ("client_secret", "newer")] {
        assert!(sent.contains(&(name.to_owned(), value.to_owned())), "{sent:?}");
    }
    // Without a secret it is a public client.
    party.change(|_wanted| {}, &["client_secret"]).await.unwrap();
    party.sign_in().await.unwrap();
    let sent = party.script.lock().unwrap().forms.last().cloned().unwrap();
    assert!(sent.iter().all(|(name, _)| name != "client_secret"), "{sent:?}");
    // Nobody was signed out by any of it.
    assert!(party.auth.exchange(&first.session_token).await.is_ok());
    party.auth.finish().await;
}

#[tokio::test]
async fn rules_that_change_count_from_the_next_sign_in_on() {
    let party = Party::start().await;
    assert_eq!(party.enter().await.role, "viewer");
    let set = |wanted: &mut IdentityProvider| {
        wanted.groups_claim = "groups".to_owned();
        let rule = RoleRule { group: "ops".to_owned(), role: "operator".to_owned() };
        wanted.role_rules = vec![rule];
    };
    party.change(set, &["groups_claim", "role_rules"]).await.unwrap();
    party.say(|script| script.claims = json!({"groups": ["ops"]}));
    assert_eq!(party.enter().await.role, "operator");
    party
        .change(
            |wanted| wanted.email_domains = vec!["other.example".to_owned()],
            &["email_domains"],
        )
        .await
        .unwrap();
    assert_eq!(party.sign_in().await, Err(Code::FederationRefused));
    party.auth.finish().await;
}

#[tokio::test]
async fn change_is_held_to_what_a_new_provider_is_held_to() {
    let party = Party::start().await;
    let before = "select to_jsonb(p)::text from platform.identity_providers p";
    let untouched = party.auth.db.sql(before).await;
    let changed = async |field: &str| {
        let set = |w: &mut IdentityProvider| match field {
            "name" => w.name = "x".repeat(61),
            "scopes" => w.scopes = vec!["a b".to_owned()],
            "role_rules" => w.role_rules = vec![RoleRule::default()],
            "default_role" => w.default_role = "root".to_owned(),
            "client_secret" => w.client_secret = "x".repeat(513),
            // Empty: no client, and no domain for the accounts that are made.
            _ => {}
        };
        refusal(party.change(set, &[field]).await)
    };
    for field in [
        "name",
        "client_id",
        "client_secret",
        "scopes",
        "role_rules",
        "default_role",
        "email_domains",
    ] {
        let expected = (Code::RequestInvalid, Some(format!("/identity_provider/{field}")));
        assert_eq!(changed(field).await, expected, "{field}");
    }
    for fixed in ["issuer", "provider_id", "redirect_uri", "created_at", "version", ""] {
        let expected = (Code::RequestInvalid, Some("/update_mask".to_owned()));
        assert_eq!(changed(fixed).await, expected, "{fixed}");
    }
    // Another tenant's, one that nobody has, and what is no id.
    let bob = party.auth.access("bob@example.org", "byte").await;
    let none = "0197a3c2-5c1e-7d44-9b1f-3a5d2e8c0009";
    for (who, id) in
        [(&bob, party.provider.provider_id.as_str()), (&party.owner, none), (&party.owner, "x")]
    {
        let wanted = IdentityProvider { provider_id: id.to_owned(), ..party.provider.clone() };
        let refused = change(&party.auth, who, wanted, &["name"]).await;
        assert_eq!(refusal(refused).0, Code::ResourceNotFound, "{id}");
    }
    assert_eq!(party.auth.db.sql(before).await, untouched);
    let mut providers = IdentityProviderServiceClient::new(party.auth.channel());
    let provider_id = party.provider.provider_id.clone();
    let delete = bearer(DeleteIdentityProviderRequest { provider_id }, &party.owner);
    providers.delete_identity_provider(delete).await.unwrap();
    let gone = party.change(|w| w.name = "Back".to_owned(), &["name"]).await;
    assert_eq!(refusal(gone).0, Code::ResourceNotFound);
    party.auth.finish().await;
}

#[tokio::test]
async fn provider_that_is_disabled_ends_its_sessions_and_lets_its_people_in_again_later() {
    let party = Party::start().await;
    let follower = party.auth.follower().await;
    let opened = party.sign_in().await.unwrap();
    party.auth.told().await;
    let access = party.auth.exchange(&opened.session_token).await.unwrap();
    let begun = party.begin().await;
    let disabled = party.change(|w| w.disabled = true, &["disabled"]).await.unwrap();
    assert!(disabled.disabled);
    eventually(SOON, || async { revoked(&follower, &access) }).await;
    assert!(party.auth.exchange(&opened.session_token).await.is_err());
    assert_eq!(party.complete(begun).await, Err(Code::FederationRefused));
    assert_eq!(party.try_begin().await, Some(Code::ResourceNotFound));
    assert_eq!(party.offered().await, 0);
    // The owner's own session is another matter.
    let mut providers = IdentityProviderServiceClient::new(party.auth.channel());
    let listed = bearer(ListIdentityProvidersRequest {}, &party.owner);
    let listed = providers.list_identity_providers(listed).await.unwrap().into_inner();
    assert!(listed.identity_providers[0].disabled);

    let enabled = party.change(|_wanted| {}, &["disabled"]).await.unwrap();
    assert!(!enabled.disabled);
    assert_eq!(party.offered().await, 1);
    assert!(party.auth.exchange(&opened.session_token).await.is_err(), "ended for good");
    assert_eq!(party.sign_in().await.unwrap().principal_id, opened.principal_id);
    party.auth.finish().await;
}

#[tokio::test]
async fn sign_in_that_a_change_overtakes_is_refused() {
    let party = Party::start().await;
    for (turn, field) in ["default_role", "disabled"].into_iter().enumerate() {
        let gate = Arc::new(Semaphore::new(0));
        party.say(|script| script.gate = Some(Arc::clone(&gate)));
        let answer = party.begin().await;
        let overtaken = async {
            let came = || async { party.script.lock().unwrap().came == turn + 1 };
            eventually(SOON, came).await;
            let set = |w: &mut IdentityProvider| {
                (w.default_role, w.disabled) = ("operator".to_owned(), true);
            };
            party.change(set, &[field]).await.unwrap();
            gate.add_permits(1);
        };
        let (done, ()) = tokio::join!(party.complete(answer), overtaken);
        assert_eq!(done, Err(Code::FederationRefused), "{field}");
    }
    let people = "select count(*) from platform.people where email = 'new@acme.example'";
    assert_eq!(party.auth.db.sql(people).await.trim(), "0");
    party.auth.finish().await;
}

#[tokio::test]
async fn racing_changes_of_two_fields_both_stand() {
    let party = Party::start().await;
    let (one, two) = tokio::join!(
        party.change(|w| w.name = "Renamed".to_owned(), &["name"]),
        party.change(|w| w.client_id = "another".to_owned(), &["client_id"]),
    );
    one.and(two).unwrap();
    let stands = "select name, client_id, version from platform.identity_providers";
    assert_eq!(party.auth.db.sql(stands).await.trim(), "Renamed|another|3");
    party.auth.finish().await;
}

#[tokio::test]
async fn change_hands_on_no_more_than_who_makes_it_holds() {
    let rule = RoleRule { group: "leads".to_owned(), role: "owner".to_owned() };
    let party = Party::start_with(|wish| {
        wish.groups_claim = "groups".to_owned();
        wish.role_rules = vec![rule];
    })
    .await;
    let desk = Desk::with(&party.auth, party.owner.clone());
    desk.make_role("steward", &["tenant.manage", "devices.read"]).await.unwrap();
    let steward = "update platform.memberships set role = 'steward' where role = 'viewer'";
    party.auth.db.sql(steward).await;
    party.auth.told().await;
    let steward = party.auth.access("viewer@example.org", "acme").await;
    let attempt = async |disabled: bool, mask: &[&str]| {
        let wanted = IdentityProvider {
            name: "Renamed".to_owned(),
            client_id: "another".to_owned(),
            disabled,
            ..party.provider.clone()
        };
        let done = change(&party.auth, &steward, wanted, mask).await;
        done.err().map(|status| Fault::from_status(&status).code())
    };
    let beyond = Some(Code::RightsBeyondOwn);
    // Another name gives nobody anything, and a provider can be stopped by whoever may take it away.
    assert_eq!(attempt(true, &["name"]).await, None);
    assert_eq!(attempt(true, &["client_id"]).await, beyond);
    assert_eq!(attempt(true, &["name", "default_role"]).await, beyond);
    assert_eq!(attempt(true, &["disabled"]).await, None);
    assert_eq!(attempt(true, &["client_id"]).await, beyond);
    assert_eq!(attempt(false, &["disabled"]).await, beyond);
    // A tenant that anybody may have made has no accounts made, by a change either.
    let registered = "update platform.tenants set self_registered = true where slug = 'acme'";
    party.auth.db.sql(registered).await;
    let refused = party.change(|w| w.create_people = true, &["create_people"]).await;
    let pointer = Some("/identity_provider/create_people".to_owned());
    assert_eq!(refusal(refused), (Code::RequestInvalid, pointer));
    party.auth.finish().await;
}

#[tokio::test]
async fn provider_that_is_set_up_disabled_waits_to_be_enabled() {
    let party = Party::start_with(|wish| wish.disabled = true).await;
    assert!(party.provider.disabled);
    assert_eq!((party.offered().await, party.try_begin().await), (0, Some(Code::ResourceNotFound)));
    party.change(|_wanted| {}, &["disabled"]).await.unwrap();
    party.sign_in().await.unwrap();
    party.auth.finish().await;
}
