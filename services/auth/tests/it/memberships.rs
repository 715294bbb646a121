//! Tenants of a person, and a session's way from one to another.

use std::time::Duration;

use futures::future::join_all;
use time::Duration as Span;
use tonic::transport::Channel;
use tonic::{Response, Status};
use yard_authn::TokenError;
use yard_contracts::audit::v1::SearchAuditEventsRequest;
use yard_contracts::identity::v1 as wire;
use yard_contracts::identity::v1::SessionDelivery;
use yard_contracts::identity::v1::membership_service_client::MembershipServiceClient;
use yard_fault::Code;
use yard_ids::Clock as _;
use yard_testkit::{eventually, logs};

use crate::factor_support::Person;
use crate::recovery;
use crate::support::{Auth, PASSWORD, bearer, code, credentials};

const BOTH: &str = "both@example.org";
/// The feed's promise.
const TOLD: Duration = Duration::from_secs(2);

fn client(auth: &Auth) -> MembershipServiceClient<Channel> {
    MembershipServiceClient::new(auth.channel())
}

async fn switch(
    auth: &Auth,
    token: &str,
    tenant: &str,
) -> Result<Response<wire::LoginResponse>, Status> {
    let request = wire::SwitchTenantRequest {
        tenant: tenant.to_owned(),
        delivery: SessionDelivery::Token.into(),
    };
    client(auth).switch_tenant(bearer(request, token)).await
}

#[tokio::test]
async fn session_goes_over_and_keeps_its_end_and_its_proof() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let session = auth.session(BOTH, "acme").await;
    let before = auth.claims(&auth.exchange(&session).await.unwrap());
    auth.clock.advance(Span::minutes(5));
    let token = auth.exchange(&session).await.unwrap();
    let follower = auth.follower().await;
    assert!(follower.verify(&token).is_ok());
    let answer = switch(&auth, &token, "byte").await.unwrap();
    assert!(answer.metadata().get("yard-set-session").is_none(), "it was asked for in the body");
    let answer = answer.into_inner();
    let me = answer.me.unwrap();
    assert_eq!((me.tenant_slug.as_str(), me.email.as_str()), ("byte", BOTH));
    assert_eq!(
        code(auth.exchange(&session).await.map(Response::new)),
        Some(Code::AuthSessionExpired)
    );
    // Other services are told that the one before has ended; the new one is good there.
    eventually(TOLD, || async { matches!(follower.verify(&token), Err(TokenError::Revoked)) })
        .await;
    let new = auth.exchange(&answer.session_token).await.unwrap();
    assert!(follower.verify(&new).is_ok());
    let after = auth.claims(&auth.exchange(&answer.session_token).await.unwrap());
    assert_eq!(after.tenant, Some(auth.tenant("byte").await));
    assert_eq!((after.role.as_str(), &after.permissions), (me.role.as_str(), &me.permissions));
    assert_eq!((after.auth_time, after.ends), (before.auth_time, before.ends));
    assert_eq!((after.sub, after.amr), (before.sub, before.amr));
    assert_ne!(after.sid, before.sid);
    // As a cookie, which ends when the session does.
    let token = auth.exchange(&answer.session_token).await.unwrap();
    let request = wire::SwitchTenantRequest { tenant: "acme".to_owned(), delivery: 0 };
    let answer = client(&auth).switch_tenant(bearer(request, &token)).await.unwrap();
    let cookie = answer.metadata().get("yard-set-session").unwrap().to_str().unwrap().to_owned();
    let (session, seconds) = cookie.split_once(';').unwrap();
    let left = before.ends.unwrap() - auth.clock.now().unix_timestamp();
    assert_eq!(seconds.parse::<i64>().unwrap(), left);
    assert!(answer.into_inner().session_token.is_empty());
    auth.exchange(session).await.unwrap();
    auth.finish().await;
}

#[tokio::test]
async fn tenants_are_listed_by_slug_in_pages_and_only_ones_own() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let token = auth.access(BOTH, "byte").await;
    let mut request = wire::ListMembershipsRequest { page_size: 1, page_token: String::new() };
    let mut seen = Vec::new();
    loop {
        let page = client(&auth).list_memberships(bearer(request.clone(), &token)).await;
        let page = page.unwrap().into_inner();
        seen.extend(
            page.memberships.into_iter().map(|m| (m.tenant_slug, m.tenant_name, m.current)),
        );
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let named = |slug: &str, current| (slug.to_owned(), slug.to_uppercase(), current);
    assert_eq!(seen, [named("acme", false), named("byte", true)]);
    for (size, page_token, expected) in [
        (201, "", Code::RequestInvalid),
        (-1, "", Code::RequestInvalid),
        (0, "zz", Code::PageTokenInvalid),
    ] {
        let request =
            wire::ListMembershipsRequest { page_size: size, page_token: page_token.to_owned() };
        let refused = client(&auth).list_memberships(bearer(request, &token)).await;
        assert_eq!(code(refused), Some(expected), "{size} {page_token}");
    }
    let root = auth.access("root@example.org", "").await;
    let request = bearer(wire::ListMembershipsRequest::default(), &root);
    let none = client(&auth).list_memberships(request).await.unwrap().into_inner();
    assert!(none.memberships.is_empty());
    auth.finish().await;
}

#[tokio::test]
async fn tenant_asks_sessions_from_elsewhere_for_its_second_factor() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    auth.db.sql("update platform.tenants set second_factor_required = slug = 'acme'").await;
    auth.told().await;
    let token = auth.access(BOTH, "byte").await;
    let answer = switch(&auth, &token, "acme").await.unwrap().into_inner();
    let me = answer.me.unwrap();
    assert!(me.second_factor_missing && me.permissions.is_empty());
    let token = auth.exchange(&answer.session_token).await.unwrap();
    let claims = auth.claims(&token);
    assert!(claims.lacks_factor && claims.permissions.is_empty());
    let people = bearer(wire::ListPeopleRequest::default(), &token);
    let refused = code(auth.people().list_people(people).await);
    assert_eq!(refused, Some(Code::AuthSecondFactorRequired));
    // Back where nothing is asked for everything is there again.
    let answer = switch(&auth, &token, "byte").await.unwrap().into_inner();
    assert!(!answer.me.unwrap().permissions.is_empty());
    // A factor that was shown is one everywhere.
    let both = Person::enrolled(&auth, BOTH, "byte").await;
    let token = auth.exchange(&both.session).await.unwrap();
    let me = switch(&auth, &token, "acme").await.unwrap().into_inner().me.unwrap();
    assert!(!me.second_factor_missing && !me.permissions.is_empty());
    auth.finish().await;
}

#[tokio::test]
async fn nobody_goes_where_they_are_no_member() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let session = auth.session("viewer@example.org", "").await;
    let token = auth.exchange(&session).await.unwrap();
    for tenant in ["byte", "nobody", "", "Acme", "a\0", &"a".repeat(64)] {
        let refused = code(switch(&auth, &token, tenant).await);
        assert_eq!(refused, Some(Code::ResourceNotFound), "{tenant:?}");
    }
    let request = wire::SwitchTenantRequest { tenant: "acme".to_owned(), delivery: 9 };
    let refused = client(&auth).switch_tenant(bearer(request, &token)).await;
    assert_eq!(code(refused), Some(Code::RequestInvalid));
    // Who was refused is where they were.
    auth.exchange(&session).await.unwrap();
    let both = auth.access(BOTH, "byte").await;
    auth.db.sql("update platform.tenants set state = 'suspended' where slug = 'acme'").await;
    assert_eq!(code(switch(&auth, &both, "acme").await), Some(Code::TenantSuspended));
    auth.db.sql("update platform.tenants set state = 'closed' where slug = 'acme'").await;
    assert_eq!(code(switch(&auth, &both, "acme").await), Some(Code::ResourceNotFound));
    let root = auth.access("root@example.org", "").await;
    assert_eq!(code(switch(&auth, &root, "byte").await), Some(Code::ResourceNotFound));
    let me = switch(&auth, &root, "").await.unwrap().into_inner().me.unwrap();
    assert_eq!((me.role.as_str(), me.tenant_id.as_str()), ("system-administrator", ""));
    auth.finish().await;
}

#[tokio::test]
async fn administrator_who_is_a_member_goes_there_and_back() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    auth.db
        .sql(
            "insert into platform.memberships (tenant_id, principal_id, role, created_at) \
             select t.id, p.principal_id, 'viewer', now() from platform.tenants t, platform.people p \
             where t.slug = 'acme' and p.email = 'root@example.org'",
        )
        .await;
    auth.told().await;
    let root = auth.access("root@example.org", "").await;
    let there = switch(&auth, &root, "acme").await.unwrap().into_inner();
    assert_eq!(there.me.unwrap().role, "viewer");
    let token = auth.exchange(&there.session_token).await.unwrap();
    let claims = auth.claims(&token);
    assert_eq!((claims.tenant, claims.role.as_str()), (Some(auth.tenant("acme").await), "viewer"));
    let back = switch(&auth, &token, "").await.unwrap().into_inner();
    let claims = auth.claims(&auth.exchange(&back.session_token).await.unwrap());
    assert_eq!((claims.tenant, claims.role.as_str()), (None, "system-administrator"));
    auth.finish().await;
}

#[tokio::test]
async fn tenant_that_is_left_and_tenant_that_is_entered_both_have_it_in_their_trail() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let token = auth.access(BOTH, "acme").await;
    switch(&auth, &token, "byte").await.unwrap();
    let byte = auth.tenant("byte").await.to_string();
    for (owner, tenant) in [("owner@example.org", "acme"), ("bob@example.org", "byte")] {
        let token = auth.access(owner, tenant).await;
        let found = eventually(Duration::from_secs(20), || async {
            let all = SearchAuditEventsRequest { page_size: 200, ..Default::default() };
            let answer = auth.audit().search_audit_events(bearer(all, &token)).await.unwrap();
            let mut events = answer.into_inner().events.into_iter();
            events.find(|e| e.action.ends_with("/SwitchTenant") && e.outcome == "ok")
        })
        .await;
        assert_eq!((found.object_type.as_str(), &found.object_id), ("tenant", &byte), "{tenant}");
    }
    auth.finish().await;
}

#[tokio::test]
async fn token_from_before_a_proof_takes_the_session_nowhere() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let session = auth.session(BOTH, "acme").await;
    auth.clock.advance(Span::seconds(30));
    let early = auth.exchange(&session).await.unwrap();
    let proof = wire::ReauthenticateRequest {
        password: PASSWORD.to_owned(),
        delivery: SessionDelivery::Token.into(),
        ..Default::default()
    };
    let renewed = auth.sessions().reauthenticate(bearer(proof, &early)).await.unwrap();
    let renewed = renewed.into_inner().session_token;
    // The session's token of before is exchanged for ten seconds more.
    auth.clock.advance(Span::seconds(9));
    let copied = auth.exchange(&session).await.unwrap();
    for token in [&early, &copied] {
        let refused = code(switch(&auth, token, "byte").await);
        assert_eq!(refused, Some(Code::AuthStepUpRequired));
    }
    let own = auth.exchange(&renewed).await.unwrap();
    let answer = switch(&auth, &own, "byte").await.unwrap().into_inner();
    assert_eq!(answer.me.unwrap().tenant_slug, "byte");
    auth.finish().await;
}

#[tokio::test]
async fn token_from_before_a_new_password_takes_the_session_nowhere() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let both = Person::enrolled(&auth, BOTH, "acme").await;
    let token = auth.exchange(&both.session).await.unwrap();
    let change = wire::ChangePasswordRequest {
        current_password: PASSWORD.to_owned(),
        new_password: "another horse battery".to_owned(),
        delivery: SessionDelivery::Token.into(),
    };
    let renewed = auth.sessions().change_password(bearer(change, &token)).await.unwrap();
    let renewed = renewed.into_inner().session_token;
    // Nobody can tell the two tokens apart by what they prove until the one before is void.
    let own = auth.exchange(&renewed).await.unwrap();
    for token in [&token, &own] {
        let refused = code(switch(&auth, token, "byte").await);
        assert_eq!(refused, Some(Code::AuthStepUpRequired));
    }
    auth.clock.advance(Span::seconds(11));
    assert_eq!(code(switch(&auth, &token, "byte").await), Some(Code::AuthStepUpRequired));
    let own = auth.exchange(&renewed).await.unwrap();
    switch(&auth, &own, "byte").await.unwrap();
    auth.finish().await;
}

#[tokio::test]
async fn session_that_goes_over_many_times_at_once_goes_once() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let token = auth.access(BOTH, "acme").await;
    let tries = join_all((0..6).map(|_| switch(&auth, &token, "byte"))).await;
    let codes: Vec<_> = tries.into_iter().map(code).collect();
    assert_eq!(codes.iter().filter(|code| code.is_none()).count(), 1, "{codes:?}");
    let ended = [None, Some(Code::AuthSessionExpired), Some(Code::AuthTokenRevoked)];
    assert!(codes.iter().all(|code| ended.contains(code)), "{codes:?}");
    let live = "select count(*) from platform.sessions where revoked_at is null";
    assert_eq!(auth.db.sql(live).await.trim(), "1");
    auth.finish().await;
}

#[tokio::test]
async fn session_does_not_slip_past_a_new_password_by_going_over() {
    let _log = logs::capture();
    let (auth, mail) = Auth::start_with_mail().await;
    let mut password = PASSWORD.to_owned();
    for round in 0..3 {
        let signed = credentials(BOTH, &password, "acme");
        let session = auth.sessions().login(signed).await.unwrap().into_inner().session_token;
        auth.told().await;
        let token = auth.exchange(&session).await.unwrap();
        recovery::ask(&auth, BOTH).await.unwrap();
        let link = recovery::reset_link(&mail, BOTH, round).await;
        password = format!("password of round {round}");
        let (changed, went) =
            tokio::join!(recovery::reset(&auth, &link, &password), switch(&auth, &token, "byte"));
        changed.unwrap();
        let live = "select count(*) from platform.sessions where revoked_at is null";
        assert_eq!(auth.db.sql(live).await.trim(), "0", "{round}: {went:?}");
    }
    auth.finish().await;
}
