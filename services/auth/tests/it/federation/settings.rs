//! How a tenant sets its providers up.

use base64::engine::general_purpose::STANDARD;

use yard_contracts::rights::v1::EnterTenantRequest;
use yard_contracts::rights::v1::break_glass_service_client::BreakGlassServiceClient;

use super::*;
use crate::oauth;
use crate::rights_support::Desk;

#[tokio::test]
async fn provider_that_is_taken_away_takes_its_sessions_with_it() {
    let party = Party::start().await;
    let opened = party.sign_in().await.unwrap();
    let begun = party.begin().await;
    let mut providers = IdentityProviderServiceClient::new(party.auth.channel());
    let provider_id = party.provider.provider_id.clone();
    let mut delete = async |who: &str| {
        let request = DeleteIdentityProviderRequest { provider_id: provider_id.clone() };
        providers.delete_identity_provider(bearer(request, who)).await
    };
    let bob = party.auth.access("bob@example.org", "byte").await;
    assert_eq!(code(delete(&bob).await), Some(Code::ResourceNotFound));
    for _twice in 0..2 {
        assert!(delete(&party.owner).await.is_ok());
    }
    assert!(party.auth.exchange(&opened.session_token).await.is_err());
    assert_eq!(party.complete(begun).await, Err(Code::FederationRefused));
    let left = "select count(client_secret_sealed) from platform.identity_providers";
    assert_eq!(party.auth.db.sql(left).await.trim(), "0");
    party.auth.finish().await;
}

#[tokio::test]
async fn provider_with_a_newer_secret_takes_over_whom_the_one_before_brought() {
    let party = Party::start().await;
    let first = party.sign_in().await.unwrap();
    let wish = IdentityProvider { client_secret: "newer".to_owned(), ..party.provider.clone() };
    let next = create(&party.auth, &party.owner, wish).await.unwrap();
    let mut providers = IdentityProviderServiceClient::new(party.auth.channel());
    let provider_id = party.provider.provider_id.clone();
    let delete = bearer(DeleteIdentityProviderRequest { provider_id }, &party.owner);
    providers.delete_identity_provider(delete).await.unwrap();
    let party = Party { provider: next, ..party };
    let again = party.sign_in().await.unwrap();
    assert_eq!(first.principal_id, again.principal_id);
    party.auth.finish().await;
}

#[tokio::test]
async fn provider_of_a_tenant_that_anybody_may_have_made_brings_nobody_in() {
    let party = Party::start().await;
    let registered = "update platform.tenants set self_registered = true where slug = 'acme'";
    party.auth.db.sql(registered).await;
    let refused = create(&party.auth, &party.owner, party.provider.clone()).await.unwrap_err();
    let fault = Fault::from_status(&refused);
    let pointer = "/identity_provider/create_people";
    assert_eq!((fault.code(), fault.pointer()), (Code::RequestInvalid, Some(pointer)));
    let wish = IdentityProvider { create_people: false, ..party.provider.clone() };
    assert!(create(&party.auth, &party.owner, wish).await.is_ok());
    party.auth.finish().await;
}

#[tokio::test]
async fn provider_is_set_up_within_bounds_and_offered_by_its_tenant_only() {
    let party = Party::start().await;
    let good = party.provider.clone();
    let wish = |change: fn(&mut IdentityProvider)| {
        let mut wish = good.clone();
        change(&mut wish);
        wish
    };
    for (bad, pointer) in [
        (wish(|w| w.name.clear()), "name"),
        (wish(|w| w.issuer = "http://10.0.0.1".to_owned()), "issuer"),
        (wish(|w| w.issuer = "https://idp.example/?x".to_owned()), "issuer"),
        (wish(|w| w.issuer = "file:///etc/passwd".to_owned()), "issuer"),
        (wish(|w| w.issuer = "https://idp.example/\0".to_owned()), "issuer"),
        (wish(|w| w.issuer = "https://idp\n.example".to_owned()), "issuer"),
        (wish(|w| w.issuer = format!("https://idp.example/{}", "x".repeat(493))), "issuer"),
        (wish(|w| w.client_id.clear()), "client_id"),
        (wish(|w| w.client_secret = "x".repeat(513)), "client_secret"),
        (wish(|w| w.scopes.push("a b".to_owned())), "scopes"),
        (wish(|w| w.default_role = "root".to_owned()), "default_role"),
        (wish(|w| w.role_rules.push(RoleRule::default())), "role_rules"),
        (wish(|w| w.email_domains = vec!["Acme.example".to_owned()]), "email_domains"),
        (wish(|w| w.email_domains.clear()), "email_domains"),
    ] {
        let refused = create(&party.auth, &party.owner, bad).await.unwrap_err();
        let expected = format!("/identity_provider/{pointer}");
        assert_eq!(Fault::from_status(&refused).pointer(), Some(expected.as_str()));
    }
    let mut sign_ins = party.sign_ins();
    let mut offered = async |tenant: &str| {
        let request = ListSignInProvidersRequest { tenant: tenant.to_owned() };
        sign_ins.list_sign_in_providers(request).await.unwrap().into_inner().providers.len()
    };
    assert_eq!([offered("acme").await, offered("byte").await, offered("none").await], [1, 0, 0]);
    let mut providers = IdentityProviderServiceClient::new(party.auth.channel());
    let listed = bearer(ListIdentityProvidersRequest {}, &party.owner);
    let listed = providers.list_identity_providers(listed).await.unwrap().into_inner();
    assert!(listed.identity_providers.iter().all(|one| one.client_secret.is_empty()));
    let stored = "select to_jsonb(p)::text from platform.identity_providers p";
    assert!(!party.auth.db.sql(stored).await.contains("s3cret"));
    party.auth.finish().await;
}

#[tokio::test]
async fn provider_hands_on_no_more_than_who_sets_it_up_holds() {
    let party = Party::start().await;
    let desk = Desk::with(&party.auth, party.owner.clone());
    desk.make_role("steward", &["tenant.manage", "devices.read"]).await.unwrap();
    desk.make_role("reader", &["devices.read"]).await.unwrap();
    party
        .auth
        .db
        .sql("update platform.memberships set role = 'steward' where role = 'viewer'")
        .await;
    party.auth.told().await;
    let steward = party.auth.access("viewer@example.org", "acme").await;
    let wish = |role: &str, ruled: bool| {
        let mut wish = party.provider.clone();
        wish.groups_claim = "groups".to_owned();
        wish.default_role = if ruled { "reader".to_owned() } else { role.to_owned() };
        let rule = RoleRule { group: "g".to_owned(), role: role.to_owned() };
        wish.role_rules = if ruled { vec![rule] } else { Vec::new() };
        wish
    };
    for (ruled, pointer) in [(true, "role_rules"), (false, "default_role")] {
        for (role, why) in [("owner", Code::RightsBeyondOwn), ("none", Code::RequestInvalid)] {
            let refused = create(&party.auth, &steward, wish(role, ruled)).await.unwrap_err();
            let fault = Fault::from_status(&refused);
            let expected = format!("/identity_provider/{pointer}");
            assert_eq!((fault.code(), fault.pointer()), (why, Some(expected.as_str())), "{role}");
        }
        // Rules decide about owners who are linked as well.
        let done = create(&party.auth, &steward, wish("reader", ruled)).await;
        let refused = done.err().map(|status| Fault::from_status(&status).code());
        assert_eq!(refused, ruled.then_some(Code::RightsBeyondOwn));
    }
    // And a role that a provider gives is in use.
    assert_eq!(code(desk.drop_role("reader").await), Some(Code::RightsInUse));
    party.auth.finish().await;
}

#[tokio::test]
async fn tenant_has_sixteen_providers_at_most() {
    let party = Party::start().await;
    for _ in 1..16 {
        create(&party.auth, &party.owner, party.provider.clone()).await.unwrap();
    }
    let refused = create(&party.auth, &party.owner, party.provider.clone()).await.unwrap_err();
    assert_eq!(Fault::from_status(&refused).code(), Code::RequestInvalid);
    party.auth.finish().await;
}

#[tokio::test]
async fn secret_is_sealed_anew_under_the_key_that_is_active() {
    let party = Party::start().await;
    let Party { auth, script, provider, .. } = party;
    let auth = auth
        .restart_with(async |engines| {
            let keys = |first: u8, kid: &str| format!("{kid}:{}\n", STANDARD.encode([first; 32]));
            let file = engines.folder.join("sealing.key");
            std::fs::write(file, keys(8, "k2") + &keys(7, "k1")).unwrap();
        })
        .await
        .unwrap();
    let kid = "select convert_from(substring(client_secret_sealed from 3 \
        for get_byte(client_secret_sealed, 1)), 'UTF8') from platform.identity_providers";
    yard_testkit::eventually(std::time::Duration::from_secs(30), || async {
        auth.db.sql(kid).await.trim() == "k2"
    })
    .await;
    drop((script, provider));
    auth.finish().await;
}

/// What an access token gets that sets a provider up, that changes one, and that takes one away.
async fn attempts(auth: &Auth, access: &str, provider: &IdentityProvider) -> [Option<Code>; 3] {
    let refusal = |status| Fault::from_status(&status).code();
    let made = create(auth, access, provider.clone()).await.err().map(refusal);
    let changed = change(auth, access, provider.clone(), &["name"]).await.err().map(refusal);
    let mut providers = IdentityProviderServiceClient::new(auth.channel());
    let request = DeleteIdentityProviderRequest { provider_id: provider.provider_id.clone() };
    [made, changed, code(providers.delete_identity_provider(bearer(request, access)).await)]
}

#[tokio::test]
async fn provider_is_seen_to_by_people_themselves_who_have_just_proved_who_they_are() {
    let Party { log: _log, auth, owner, provider, .. } = Party::start().await;
    // A client of the owner's, which may do in the tenant what the owner may.
    let client = oauth::register(&auth, &owner, &["tenant.manage"]).await;
    let party = oauth::Party { auth, client, person: owner };
    let tokens = party.grant("openid tenant.manage").await;
    let auth = party.auth;
    let access = auth.exchange(tokens["access_token"].as_str().unwrap()).await.unwrap();
    assert_eq!(auth.claims(&access).permissions, ["tenant.manage"]);
    assert_eq!(attempts(&auth, &access, &provider).await, [Some(Code::AuthSessionRequired); 3]);
    // An operator who came in, with all that it takes.
    let follower = auth.follower().await;
    let session = auth.session("root@example.org", "").await;
    let outside = auth.exchange(&session).await.unwrap();
    let entry = EnterTenantRequest {
        tenant_id: auth.tenant("acme").await.to_string(),
        reason: "nobody can sign in".to_owned(),
        minutes: 10,
        permissions: vec!["tenant.manage".to_owned()],
    };
    let mut entries = BreakGlassServiceClient::new(auth.channel());
    entries.enter_tenant(bearer(entry, &outside)).await.unwrap();
    let inside = auth.renewed(&follower, &outside, &session).await;
    assert_eq!(attempts(&auth, &inside, &provider).await, [Some(Code::AuthForbidden); 3]);
    // The owner, a little too late.
    let session = auth.session("owner@example.org", "acme").await;
    auth.clock.advance(Duration::seconds(601));
    let late = auth.exchange(&session).await.unwrap();
    assert_eq!(attempts(&auth, &late, &provider).await, [Some(Code::AuthStepUpRequired); 3]);
    let standing = "select count(*) from platform.identity_providers where deleted_at is null";
    assert_eq!(auth.db.sql(standing).await.trim(), "1");
    auth.finish().await;
}
