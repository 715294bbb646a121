//! Whom a provider's word lets in, as what, and how far.

use yard_contracts::identity::v1::api_token_service_client::ApiTokenServiceClient;
use yard_contracts::identity::v1::membership_service_client::MembershipServiceClient;
use yard_contracts::identity::v1::{
    BeginTotpEnrollmentRequest, CreateApiTokenRequest, GetMeRequest, SwitchTenantRequest,
};
use yard_testkit::eventually;

use super::*;

#[tokio::test]
async fn stranger_of_the_domain_gets_an_account_once_and_is_known_by_subject() {
    let party = Party::start().await;
    let first = party.sign_in().await.unwrap();
    assert_eq!(first.tenant_slug, "acme");
    let claims = party.auth.claims(&party.auth.exchange(&first.session_token).await.unwrap());
    assert_eq!((claims.role.as_str(), &claims.amr[0]), ("viewer", &"fed".to_owned()));
    // Whatever their address is called later.
    party.say(|script| script.claims = json!({"email": "renamed@acme.example"}));
    assert_eq!(party.sign_in().await.unwrap().principal_id, first.principal_id);
    party.say(|script| script.claims = json!({"sub": "u2", "email": "two@acme.example"}));
    assert_ne!(party.sign_in().await.unwrap().principal_id, first.principal_id);
    let form = party.script.lock().unwrap().forms[0].clone();
    let sent = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, v)| v.clone());
    assert_eq!(sent("code").as_deref(), Some("the-code"));
    assert_eq!(sent("redirect_uri"), Some(party.provider.redirect_uri.clone()));
    assert!(party.provider.redirect_uri.starts_with(&format!("{ISSUER}/sign-in/callback/")));
    assert!(sent("code_verifier").unwrap().len() == 43 && sent("client_secret").is_none());
    party.auth.finish().await;
}

#[tokio::test]
async fn address_of_an_account_that_exists_proves_nothing() {
    let party = Party::start_with(|wish| {
        wish.email_domains = vec!["example.org".to_owned(), "acme.example".to_owned()];
    })
    .await;
    party.say(|script| script.claims = json!({"email": "owner@example.org"}));
    assert_eq!(party.sign_in().await, Err(Code::FederationNotLinked));
    for claims in [json!({"email_verified": false}), json!({"email": "new@evil.example"})] {
        party.say(|script| script.claims = claims.clone());
        assert_eq!(party.sign_in().await, Err(Code::FederationRefused), "{claims}");
    }
    let links = party.auth.db.sql("select count(*) from platform.identity_links").await;
    assert_eq!(links.trim(), "0");
    party.auth.finish().await;
}

#[tokio::test]
async fn groups_give_roles_at_every_sign_in_and_nobody_else_gets_in() {
    let party = Party::start_with(|wish| {
        wish.groups_claim = "groups".to_owned();
        wish.default_role = String::new();
        let rule = |group: &str, role: &str| RoleRule { group: group.into(), role: role.into() };
        wish.role_rules = vec![rule("admins", "owner"), rule("staff", "operator")];
    })
    .await;
    assert_eq!(party.sign_in().await, Err(Code::FederationRefused));
    for (groups, role) in [(["staff", "admins"], "owner"), (["x", "staff"], "operator")] {
        party.say(|script| script.claims = json!({"groups": groups}));
        let opened = party.sign_in().await.unwrap();
        let claims = party.auth.claims(&party.auth.exchange(&opened.session_token).await.unwrap());
        assert_eq!(claims.role, role);
    }
    party.say(|script| script.claims = json!({"groups": ["x"]}));
    assert_eq!(party.sign_in().await, Err(Code::FederationRefused));
    party.auth.finish().await;
}

#[tokio::test]
async fn session_of_a_provider_is_good_in_its_tenant_and_for_nothing_of_the_persons_own() {
    let party = Party::start_with(|wish| wish.default_role = "owner".to_owned()).await;
    let access = party.access().await;
    let id = party.auth.claims(&access).provider.unwrap().to_string();
    assert_eq!(id, party.provider.provider_id);
    // In the tenant: what its role holds, and to see who they are.
    let mut providers = IdentityProviderServiceClient::new(party.auth.channel());
    let list = bearer(ListIdentityProvidersRequest {}, &access);
    assert_eq!(code(providers.list_identity_providers(list).await), None);
    let me = party.auth.sessions().get_me(bearer(GetMeRequest {}, &access)).await.unwrap();
    assert_eq!(me.into_inner().identity_provider_id, party.provider.provider_id);
    let list = bearer(ListLinkedIdentitiesRequest {}, &access);
    let list = party.sign_ins().list_linked_identities(list).await.unwrap().into_inner();
    assert_eq!(list.identities.len(), 1);
    // Their own account: neither keys to it, nor other ways in, however fresh the sign-in.
    let own = Some(Code::AuthOwnSignInRequired);
    let totp = bearer(BeginTotpEnrollmentRequest {}, &access);
    assert_eq!(code(party.auth.factors().begin_totp_enrollment(totp).await), own);
    let provider_id = party.provider.provider_id.clone();
    let link = bearer(BeginIdentityLinkRequest { provider_id: provider_id.clone() }, &access);
    assert_eq!(code(party.sign_ins().begin_identity_link(link).await), own);
    let unlink = bearer(DeleteLinkedIdentityRequest { provider_id }, &access);
    assert_eq!(code(party.sign_ins().delete_linked_identity(unlink).await), own);
    let over = SwitchTenantRequest { tenant: "byte".to_owned(), ..Default::default() };
    let mut memberships = MembershipServiceClient::new(party.auth.channel());
    assert_eq!(code(memberships.switch_tenant(bearer(over, &access)).await), own);
    let token = bearer(CreateApiTokenRequest::default(), &access);
    let mut tokens = ApiTokenServiceClient::new(party.auth.channel());
    assert_eq!(code(tokens.create_api_token(token).await), own);
    party.auth.finish().await;
}

#[tokio::test]
async fn member_who_was_taken_out_or_disabled_does_not_come_back() {
    let party = Party::start().await;
    let person = party.sign_in().await.unwrap().principal_id;
    let set = |what: &str| format!("update platform.principals set {what} where id = '{person}'");
    party.auth.db.sql(&set("disabled_at = now()")).await;
    assert_eq!(party.sign_in().await, Err(Code::FederationRefused));
    party.auth.db.sql(&set("disabled_at = null")).await;
    assert!(party.sign_in().await.is_ok());
    let gone = format!("delete from platform.memberships where principal_id = '{person}'");
    party.auth.db.sql(&gone).await;
    assert_eq!(party.sign_in().await, Err(Code::FederationRefused));
    // Nor by another name at the provider, with the same address.
    party.say(|script| script.claims = json!({"sub": "u9"}));
    assert_eq!(party.sign_in().await, Err(Code::FederationNotLinked));
    let suspended = "update platform.tenants set state = 'suspended' where slug = 'acme'";
    party.auth.db.sql(suspended).await;
    assert_eq!(party.sign_in().await, Err(Code::TenantSuspended));
    party.auth.finish().await;
}

#[tokio::test]
async fn limit_of_people_is_held_to_its_last_place() {
    let party = Party::start().await;
    // Four members are there.
    let limit = "update platform.tenants set limits = '{\"people\": 5}' where slug = 'acme'";
    party.auth.db.sql(limit).await;
    assert!(party.sign_in().await.is_ok());
    party.say(|script| script.claims = json!({"sub": "u2", "email": "two@acme.example"}));
    assert_eq!(party.sign_in().await, Err(Code::LimitReached));
    party.say(|script| script.claims = json!({}));
    assert!(party.sign_in().await.is_ok(), "who is there comes in");
    party.auth.finish().await;
}

#[tokio::test]
async fn two_first_sign_ins_at_once_make_one_account() {
    let party = Party::start().await;
    let (a, b) = (party.begin_with("a").await, party.begin_with("b").await);
    let (a, b) = tokio::join!(party.complete(a), party.complete(b));
    assert_eq!(a.unwrap().principal_id, b.unwrap().principal_id);
    party.auth.finish().await;
}

#[tokio::test]
async fn last_owner_stays_one_whatever_the_provider_says() {
    let party = Party::start_with(|wish| {
        wish.groups_claim = "groups".to_owned();
        let rule = |group: &str, role: &str| RoleRule { group: group.into(), role: role.into() };
        wish.role_rules = vec![rule("admins", "owner"), rule("staff", "operator")];
        wish.default_role = String::new();
    })
    .await;
    party.say(|script| script.claims = json!({"groups": "admins"}));
    let claims = party.enter().await;
    assert_eq!(claims.role, "owner");
    let id = claims.sub.strip_prefix("person:").unwrap();
    let others = format!(
        "update platform.memberships m set role = 'viewer' from platform.tenants t \
         where t.id = m.tenant_id and t.slug = 'acme' and m.principal_id <> '{id}'"
    );
    party.auth.db.sql(&others).await;
    party.say(|script| script.claims = json!({"groups": "staff"}));
    assert_eq!(party.enter().await.role, "owner");
    let second = "update platform.memberships set role = 'owner' where principal_id in \
        (select principal_id from platform.people where email = 'owner@example.org')";
    party.auth.db.sql(second).await;
    assert_eq!(party.enter().await.role, "operator");
    party.auth.finish().await;
}

#[tokio::test]
async fn factor_that_the_tenant_requires_is_the_providers_to_show() {
    let party = Party::start().await;
    let required = "update platform.tenants set second_factor_required = true where slug = 'acme'";
    party.auth.db.sql(required).await;
    let without = party.enter().await;
    assert!(without.lacks_factor && without.permissions.is_empty());
    party.say(|script| script.claims = json!({"amr": ["pwd", "mfa"]}));
    let with = party.enter().await;
    assert!(!with.lacks_factor && !with.permissions.is_empty());
    party.auth.finish().await;
}

#[tokio::test]
async fn browser_gets_its_session_as_a_cookie_and_not_in_the_answer() {
    let party = Party::start().await;
    for delivery in [SessionDelivery::Unspecified, SessionDelivery::Cookie] {
        let answer = Some(party.begin().await);
        let request = CompleteFederatedSignInRequest { answer, delivery: delivery.into() };
        let answer = party.sign_ins().complete_federated_sign_in(request).await.unwrap();
        let cookie = answer.metadata().get("yard-set-session").unwrap().to_str().unwrap();
        let (token, seconds) = cookie.split_once(';').unwrap();
        assert!(token.starts_with("yst_"));
        assert_eq!(seconds, "3600");
        assert!(answer.get_ref().session_token.is_empty());
    }
    party.auth.finish().await;
}

#[tokio::test]
async fn sign_ins_that_succeed_and_that_fail_are_in_the_tenants_trail() {
    let party = Party::start().await;
    party.say(|script| script.claims = json!({"nonce": "other"}));
    assert_eq!(party.sign_in().await, Err(Code::FederationRefused));
    party.say(|script| script.claims = json!({}));
    let person = party.sign_in().await.unwrap().principal_id;
    let query = format!(
        "select e.outcome || e.subject_id from platform.audit_events e \
           join platform.tenants t on t.id = e.tenant_id and t.slug = 'acme' \
         where e.action like '%CompleteFederatedSignIn' and e.object_id = '{}' order by e.sequence",
        party.provider.provider_id,
    );
    let expected = ["federation.refused".to_owned(), format!("ok{person}")];
    eventually(std::time::Duration::from_secs(30), || async {
        let found = party.auth.db.sql(&query).await;
        let found: Vec<_> = found.split_whitespace().map(str::to_owned).collect();
        if found == expected { Ok(()) } else { Err(found) }
    })
    .await;
    party.auth.finish().await;
}
