use std::time::Duration;

use tonic::Request;
use yard_authn::TokenError;
use yard_contracts::identity::v1::{
    ChangeRoleRequest, ListPeopleRequest, PersonState, RemovePersonRequest,
};
use yard_contracts::rights::v1::GrantScope;
use yard_fault::Code;
use yard_testkit::{eventually, logs};

use crate::rights_support::Desk;
use crate::support::{Auth, bearer, code};

const SOON: Duration = Duration::from_secs(20);

fn page(size: i32, token: &str) -> ListPeopleRequest {
    ListPeopleRequest { page_size: size, page_token: token.to_owned() }
}

#[tokio::test]
async fn people_are_listed_by_email_in_pages_and_only_the_callers_tenants() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let token = auth.access("viewer@example.org", "").await;
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let request = bearer(page(3, &next), &token);
        let answer = auth.people().list_people(request).await.unwrap().into_inner();
        assert!(answer.people.iter().all(|p| p.state() == PersonState::Active));
        seen.extend(answer.people.into_iter().map(|p| format!("{} {}", p.email, p.role)));
        next = answer.next_page_token;
        if next.is_empty() {
            break;
        }
    }
    assert_eq!(
        seen,
        [
            "both@example.org operator",
            "operator@example.org operator",
            "owner@example.org owner",
            "viewer@example.org viewer",
        ]
    );
    auth.finish().await;
}

#[tokio::test]
async fn people_of_nobodys_and_of_wrong_pages_are_refused() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let anonymous = auth.people().list_people(Request::new(page(0, ""))).await;
    assert_eq!(code(anonymous), Some(Code::AuthRequired));
    let root = auth.access("root@example.org", "").await;
    let platform = auth.people().list_people(bearer(page(0, ""), &root)).await;
    assert_eq!(code(platform), Some(Code::AuthTenantRequired));
    let token = auth.access("viewer@example.org", "").await;
    for (size, page_token, expected) in [
        (201, "", Code::RequestInvalid),
        (-1, "", Code::RequestInvalid),
        (0, "zz", Code::PageTokenInvalid),
        (0, "00", Code::PageTokenInvalid),
    ] {
        let answer = auth.people().list_people(bearer(page(size, page_token), &token)).await;
        assert_eq!(code(answer), Some(expected), "{size} {page_token}");
    }
    auth.finish().await;
}

async fn id_of(auth: &Auth, email: &str) -> String {
    let query = format!("select principal_id from platform.people where email = '{email}'");
    auth.db.sql(&query).await.trim().to_owned()
}

async fn change(auth: &Auth, token: &str, principal: &str, role: &str) -> Option<Code> {
    let request = ChangeRoleRequest { principal_id: principal.to_owned(), role: role.to_owned() };
    code(auth.people().change_role(bearer(request, token)).await)
}

async fn remove(auth: &Auth, token: &str, principal: &str) -> Option<Code> {
    let request = RemovePersonRequest { principal_id: principal.to_owned() };
    code(auth.people().remove_person(bearer(request, token)).await)
}

#[tokio::test]
async fn role_is_changed_and_takes_effect_at_once() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let owner = auth.access("owner@example.org", "").await;
    let session = auth.session("viewer@example.org", "").await;
    let before = auth.exchange(&session).await.unwrap();
    let viewer = id_of(&auth, "viewer@example.org").await;
    assert_eq!(change(&auth, &owner, &viewer, "operator").await, None);
    // To what it is already, changes nothing.
    assert_eq!(change(&auth, &owner, &viewer, "operator").await, None);
    let after = auth.claims(&auth.exchange(&session).await.unwrap());
    assert_eq!(after.role, "operator");
    eventually(SOON, || async { matches!(follower.verify(&before), Err(TokenError::Revoked)) })
        .await;
    for (role, expected) in [
        ("Owner", Code::RequestInvalid),
        ("", Code::RequestInvalid),
        ("system-administrator", Code::RequestInvalid),
    ] {
        assert_eq!(change(&auth, &owner, &viewer, role).await, Some(expected), "{role}");
    }
    for unknown in ["", "x", "0190a6f2-7c2a-7b52-9c11-0000000000ff"] {
        let refused = change(&auth, &owner, unknown, "viewer").await;
        assert_eq!(refused, Some(Code::ResourceNotFound), "{unknown}");
    }
    auth.finish().await;
}

#[tokio::test]
async fn who_is_taken_out_is_out_at_once_and_stays_in_their_other_tenants() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let owner = auth.access("owner@example.org", "acme").await;
    let here = auth.session("both@example.org", "acme").await;
    let there = auth.session("both@example.org", "byte").await;
    let both = id_of(&auth, "both@example.org").await;
    assert_eq!(remove(&auth, &owner, &both).await, None);
    assert_eq!(remove(&auth, &owner, &both).await, Some(Code::ResourceNotFound));
    assert!(auth.exchange(&here).await.is_err());
    assert!(auth.exchange(&there).await.is_ok());
    // Who comes back does not come back into their old session.
    let insert = format!(
        "insert into platform.memberships (tenant_id, principal_id, role) \
         values ('{}', '{both}', 'viewer')",
        auth.tenant("acme").await
    );
    auth.db.sql(&insert).await;
    assert!(auth.exchange(&here).await.is_err());
    auth.finish().await;
}

#[tokio::test]
async fn last_owner_who_can_sign_in_is_neither_taken_out_nor_made_less() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let owner = auth.access("owner@example.org", "").await;
    let me = id_of(&auth, "owner@example.org").await;
    let other = id_of(&auth, "operator@example.org").await;
    assert_eq!(change(&auth, &owner, &me, "viewer").await, Some(Code::MemberLastOwner));
    assert_eq!(remove(&auth, &owner, &me).await, Some(Code::MemberLastOwner));
    assert_eq!(change(&auth, &owner, &other, "owner").await, None);
    auth.db
        .sql(&format!("update platform.principals set disabled_at = now() where id = '{other}'"))
        .await;
    // One who cannot sign in does not count.
    let owner = auth.access("owner@example.org", "").await;
    assert_eq!(remove(&auth, &owner, &me).await, Some(Code::MemberLastOwner));
    auth.db.sql("update platform.principals set disabled_at = null").await;
    let owner = auth.access("owner@example.org", "").await;
    assert_eq!(remove(&auth, &owner, &me).await, None);
    auth.finish().await;
}

#[tokio::test]
async fn two_owners_who_take_each_other_out_at_once_leave_one() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let tenant = auth.tenant("acme").await;
    for round in 0..5 {
        let promote = "update platform.memberships set role = 'owner' where principal_id in \
                       (select principal_id from platform.people where email in \
                        ('owner@example.org', 'operator@example.org'))";
        auth.db.sql(promote).await;
        auth.told().await;
        let one = id_of(&auth, "owner@example.org").await;
        let two = id_of(&auth, "operator@example.org").await;
        let first = auth.access("owner@example.org", "").await;
        let second = auth.access("operator@example.org", "").await;
        let (a, b) = tokio::join!(
            change(&auth, &first, &two, "viewer"),
            change(&auth, &second, &one, "viewer"),
        );
        // The second finds itself an owner no more, or the other the last one.
        let won = [a, b].iter().filter(|outcome| outcome.is_none()).count();
        assert_eq!(won, 1, "{round}: {a:?} {b:?}");
        let owners = format!(
            "select count(*) from platform.memberships where role = 'owner' and tenant_id = '{tenant}'"
        );
        assert_eq!(auth.db.sql(&owners).await.trim(), "1");
    }
    auth.finish().await;
}

#[tokio::test]
async fn members_are_managed_by_those_who_may_and_of_their_own_tenant_only() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let viewer = id_of(&auth, "viewer@example.org").await;
    for (email, expected) in [
        ("viewer@example.org", Code::AuthForbidden),
        ("operator@example.org", Code::AuthForbidden),
        ("root@example.org", Code::AuthTenantRequired),
        ("bob@example.org", Code::ResourceNotFound),
    ] {
        let token = auth.access(email, "").await;
        assert_eq!(change(&auth, &token, &viewer, "viewer").await, Some(expected), "{email}");
        assert_eq!(remove(&auth, &token, &viewer).await, Some(expected), "{email}");
    }
    auth.finish().await;
}

#[tokio::test]
async fn nobody_decides_about_somebody_who_holds_more_but_everybody_may_step_back() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let desk = Desk::of(&auth, "owner@example.org", "acme").await;
    desk.make_role("clerk", &["people.read", "people.manage"]).await.unwrap();
    desk.make_role("dispatch", &["devices.control"]).await.unwrap();
    let (clerk, viewer) = (auth.person("operator").await, auth.person("viewer").await);
    assert_eq!(change(&auth, &desk.token, &clerk, "clerk").await, None);
    // Held by a position, not by the role.
    assert_eq!(change(&auth, &desk.token, &viewer, "clerk").await, None);
    let department = desk.department("Night", "").await;
    let position = desk.position(&department, "Guard", 1).await;
    desk.grant(&position, "dispatch", GrantScope::Tenant).await.unwrap();
    desk.assign(&position, &viewer, [None, None]).await.unwrap();
    auth.told().await;
    let token = auth.access("operator@example.org", "acme").await;
    let owner = auth.person("owner").await;
    for (about, role) in [(&owner, "clerk"), (&viewer, "clerk"), (&viewer, "viewer")] {
        let refused = change(&auth, &token, about, role).await;
        assert_eq!(refused, Some(Code::RightsBeyondOwn), "{role}");
        assert_eq!(remove(&auth, &token, about).await, Some(Code::RightsBeyondOwn));
    }
    // Nor more for themselves.
    let more = change(&auth, &token, &clerk, "operator").await;
    assert_eq!(more, Some(Code::RightsBeyondOwn));
    assert_eq!(remove(&auth, &token, &clerk).await, None);
    // What a position gave ends with the membership.
    let owner = auth.access("owner@example.org", "acme").await;
    assert_eq!(remove(&auth, &owner, &viewer).await, None);
    assert_eq!(auth.db.sql("select count(*) from platform.assignments").await.trim(), "0");
    auth.finish().await;
}
