//! A system administrator in a tenant: for a time, seen by its owners, in both audit trails.

use tonic::Request;
use tonic::transport::Channel;
use yard_contracts::audit::v1::{AuditKind, SearchAuditEventsRequest};
use yard_contracts::identity::v1::{CreateApiTokenRequest, ListPeopleRequest};
use yard_contracts::rights::v1 as wire;
use yard_contracts::rights::v1::break_glass_service_client::BreakGlassServiceClient;
use yard_contracts::rights::v1::decision_service_client::DecisionServiceClient;
use yard_contracts::tenancy::v1::ListTenantsRequest;
use yard_contracts::tenancy::v1::tenant_service_client::TenantServiceClient;
use yard_fault::Code;
use yard_testkit::{eventually, logs};

use crate::rights_support::{Desk, SOON};
use crate::support::{Auth, bearer, code};

fn client(auth: &Auth) -> BreakGlassServiceClient<Channel> {
    BreakGlassServiceClient::new(auth.channel())
}

fn wish(tenant: &str, minutes: i32, permissions: &[&str]) -> wire::EnterTenantRequest {
    wire::EnterTenantRequest {
        tenant_id: tenant.to_owned(),
        reason: "readings do not arrive".to_owned(),
        minutes,
        permissions: permissions.iter().map(|&name| name.to_owned()).collect(),
    }
}

fn sent(request: wire::EnterTenantRequest, token: &str) -> Request<wire::EnterTenantRequest> {
    bearer(request, token)
}

#[tokio::test]
async fn administrator_has_in_the_tenant_what_was_stated_and_nothing_of_the_platform() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let session = auth.session("root@example.org", "").await;
    let outside = auth.exchange(&session).await.unwrap();
    let acme = auth.tenant("acme").await;
    let enter = wish(&acme.to_string(), 10, &["people.read", "people.manage"]);
    let entry = client(&auth).enter_tenant(sent(enter, &outside)).await.unwrap().into_inner();
    assert_eq!((entry.tenant_slug.as_str(), entry.display_name.as_str()), ("acme", "root"));

    let inside = auth.renewed(&follower, &outside, &session).await;
    let claims = auth.claims(&inside);
    assert_eq!((claims.tenant, claims.role.as_str()), (Some(acme), "break-glass"));
    assert_eq!(claims.permissions, ["people.manage", "people.read"]);
    assert_eq!(claims.break_glass.unwrap().to_string(), entry.break_glass_id);
    let people = auth.people().list_people(bearer(ListPeopleRequest::default(), &inside)).await;
    assert_eq!(people.unwrap().into_inner().people.len(), 4);
    let mut tenants = TenantServiceClient::new(auth.channel());
    let listed = tenants.list_tenants(bearer(ListTenantsRequest::default(), &inside)).await;
    assert_eq!(code(listed), Some(Code::AuthForbidden));
    let ask =
        wire::ExplainOwnDecisionRequest { permission: "people.read".into(), ..<_>::default() };
    let mut decisions = DecisionServiceClient::new(auth.channel());
    let decision = decisions.explain_own_decision(bearer(ask, &inside)).await.unwrap().into_inner();
    assert!(decision.allowed);
    assert_eq!(decision.stands_until, entry.expires_at, "when the entry ends by itself");
    let desk = Desk::with(&auth, inside.clone());
    assert_eq!(code(desk.make_role("x", &[]).await), Some(Code::AuthForbidden));
    // Another session of the same person is where it was.
    let other = auth.access("root@example.org", "").await;
    assert_eq!(auth.claims(&other).tenant, None);

    let left = client(&auth).leave_tenant(bearer(wire::LeaveTenantRequest {}, &inside)).await;
    assert!(left.unwrap().into_inner().ended_at.is_some());
    let outside = auth.renewed(&follower, &inside, &session).await;
    assert_eq!(auth.claims(&outside).tenant, None);
    let again = client(&auth).leave_tenant(bearer(wire::LeaveTenantRequest {}, &outside)).await;
    assert_eq!(code(again), Some(Code::ResourceNotFound));
    auth.finish().await;
}

#[tokio::test]
async fn entry_needs_a_recent_proof_a_reason_and_an_open_tenant() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let session = auth.session("root@example.org", "").await;
    let token = auth.exchange(&session).await.unwrap();
    let acme = auth.tenant("acme").await.to_string();
    let enter = async |request: wire::EnterTenantRequest, token: &str| {
        code(client(&auth).enter_tenant(sent(request, token)).await)
    };
    let silent = wire::EnterTenantRequest { reason: " ".to_owned(), ..wish(&acme, 5, &[]) };
    assert_eq!(enter(silent, &token).await, Some(Code::RequestInvalid));
    for minutes in [61, -1] {
        assert_eq!(enter(wish(&acme, minutes, &[]), &token).await, Some(Code::RequestInvalid));
    }
    let foreign = enter(wish(&acme, 5, &["ops.manage"]), &token).await;
    assert_eq!(foreign, Some(Code::RequestInvalid));
    let unknown = enter(wish("0190a6f2-7c2a-7b52-9c11-0000000000ff", 5, &[]), &token).await;
    assert_eq!(unknown, Some(Code::TenantUnknown));
    let owner = auth.access("owner@example.org", "").await;
    assert_eq!(enter(wish(&acme, 5, &[]), &owner).await, Some(Code::AuthForbidden));
    auth.db.sql("update platform.tenants set state = 'suspended' where slug = 'byte'").await;
    let byte = auth.tenant("byte").await.to_string();
    assert_eq!(enter(wish(&byte, 5, &[]), &token).await, Some(Code::TenantStateConflict));

    auth.clock.advance(time::Duration::seconds(301));
    let late = auth.exchange(&session).await.unwrap();
    assert_eq!(enter(wish(&acme, 5, &[]), &late).await, Some(Code::AuthStepUpRequired));
    // An API token has no proof of its own.
    let fresh = auth.access("root@example.org", "").await;
    let request = CreateApiTokenRequest {
        name: "robot".to_owned(),
        abilities: vec!["ops.break_glass".to_owned()],
        expires_in_days: 1,
    };
    let made = auth.tokens().create_api_token(bearer(request, &fresh)).await.unwrap().into_inner();
    let robot = auth.exchange(&made.secret).await.unwrap();
    assert_eq!(enter(wish(&acme, 5, &[]), &robot).await, Some(Code::AuthStepUpRequired));
    auth.finish().await;
}

#[tokio::test]
async fn entry_ends_by_itself_and_no_token_outlives_it() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let session = auth.session("root@example.org", "").await;
    let outside = auth.exchange(&session).await.unwrap();
    let acme = auth.tenant("acme").await.to_string();
    client(&auth).enter_tenant(sent(wish(&acme, 1, &[]), &outside)).await.unwrap();
    auth.renewed(&follower, &outside, &session).await;
    auth.clock.advance(time::Duration::seconds(45));
    let claims = auth.claims(&auth.exchange(&session).await.unwrap());
    assert_eq!((claims.exp - claims.iat, claims.permissions.len()), (15, 4));
    auth.clock.advance(time::Duration::seconds(15));
    assert_eq!(auth.claims(&auth.exchange(&session).await.unwrap()).tenant, None);
    let grant = claims.grant();
    eventually(SOON, || async { follower.revocations().refuses(&grant) }).await;
    // It can be entered again, and then it is another entry.
    let fresh = auth.session("root@example.org", "").await;
    let token = auth.exchange(&fresh).await.unwrap();
    client(&auth).enter_tenant(sent(wish(&acme, 60, &[]), &token)).await.unwrap();
    let listed = auth.db.sql("select count(*), count(ended_at) from platform.break_glass").await;
    assert_eq!(listed.trim(), "2|1");
    auth.finish().await;
}

#[tokio::test]
async fn owner_sees_the_entry_puts_the_administrator_out_and_both_trails_tell_of_it() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let session = auth.session("root@example.org", "").await;
    let outside = auth.exchange(&session).await.unwrap();
    let acme = auth.tenant("acme").await.to_string();
    let enter = wish(&acme, 10, &["rights.read", "rights.manage"]);
    let entry = client(&auth).enter_tenant(sent(enter, &outside)).await.unwrap().into_inner();
    let inside = auth.renewed(&follower, &outside, &session).await;
    let desk = Desk::with(&auth, inside.clone());
    desk.make_role("made-inside", &["rights.read"]).await.unwrap();

    let owner = auth.access("owner@example.org", "").await;
    let page = wire::ListTenantBreakGlassRequest::default();
    let seen = client(&auth).list_tenant_break_glass(bearer(page.clone(), &owner)).await;
    let seen = seen.unwrap().into_inner().entries;
    assert_eq!((seen.len(), seen[0].reason.as_str()), (1, "readings do not arrive"));
    let viewer = auth.access("viewer@example.org", "").await;
    let refused = client(&auth).list_tenant_break_glass(bearer(page.clone(), &viewer)).await;
    assert_eq!(code(refused), Some(Code::AuthForbidden));
    let end = wire::EndBreakGlassRequest { break_glass_id: entry.break_glass_id };
    // Another tenant's owner neither sees it nor ends it.
    let bob = auth.access("bob@example.org", "").await;
    let none = client(&auth).list_tenant_break_glass(bearer(page, &bob)).await;
    assert!(none.unwrap().into_inner().entries.is_empty());
    let foreign = client(&auth).end_break_glass(bearer(end.clone(), &bob)).await;
    assert_eq!(code(foreign), Some(Code::ResourceNotFound));
    for _ in 0..2 {
        let ended = client(&auth).end_break_glass(bearer(end.clone(), &owner)).await;
        assert!(ended.unwrap().into_inner().ended_by.starts_with("person:"));
    }
    let token = auth.renewed(&follower, &inside, &session).await;
    assert_eq!(auth.claims(&token).tenant, None);

    let all = SearchAuditEventsRequest { page_size: 200, ..Default::default() };
    let own = auth.audit().search_audit_events(bearer(all.clone(), &owner)).await;
    let platform = auth.audit().search_platform_audit_events(bearer(all, &token)).await;
    for events in [own.unwrap().into_inner().events, platform.unwrap().into_inner().events] {
        let told: Vec<&str> = events
            .iter()
            .filter(|event| event.kind() == AuditKind::BreakGlass && event.outcome == "ok")
            .map(|event| event.action.rsplit_once('/').unwrap().1)
            .collect();
        for action in ["EnterTenant", "CreateRole", "EndBreakGlass"] {
            assert!(told.contains(&action), "{action} is not in {told:?}");
        }
    }
    auth.finish().await;
}

#[tokio::test]
async fn suspended_tenant_is_left_by_whoever_entered_it() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let session = auth.session("root@example.org", "").await;
    let outside = auth.exchange(&session).await.unwrap();
    let acme = auth.tenant("acme").await.to_string();
    client(&auth).enter_tenant(sent(wish(&acme, 10, &[]), &outside)).await.unwrap();
    assert!(auth.claims(&auth.exchange(&session).await.unwrap()).tenant.is_some());
    auth.db.sql("update platform.tenants set state = 'suspended' where slug = 'acme'").await;
    assert_eq!(auth.claims(&auth.exchange(&session).await.unwrap()).tenant, None);
    auth.finish().await;
}
