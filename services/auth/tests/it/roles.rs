//! Roles of a tenant's own, departments, positions, and what they make of an access token.

use time::Duration as Span;
use yard_authn::permissions_of;
use yard_contracts::identity::v1::CreateApiTokenRequest;
use yard_contracts::rights::v1 as wire;
use yard_contracts::rights::v1::GrantScope;
use yard_fault::Code;
use yard_pg::{Actor, PlatformTx};
use yard_testkit::{eventually, logs};

use crate::rights_support::{Desk, SOON, revoked};
use crate::support::{Auth, bearer, code};

#[tokio::test]
async fn own_role_is_what_its_holder_may_do_and_a_change_reaches_everybody_in_two_seconds() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let owner = Desk::of(&auth, "owner@example.org", "").await;
    owner.make_role("night-shift", &["devices.read", "devices.control"]).await.unwrap();
    auth.db.sql("update platform.memberships set role = 'night-shift' where role = 'viewer'").await;
    let session = auth.session("viewer@example.org", "").await;
    let before = auth.exchange(&session).await.unwrap();
    let claims = auth.claims(&before);
    assert_eq!(claims.role, "night-shift");
    assert_eq!(claims.permissions, ["devices.read", "devices.control"]);
    owner.change_role("night-shift", &["devices.read"]).await.unwrap();
    let after = auth.renewed(&follower, &before, &session).await;
    assert_eq!(auth.claims(&after).permissions, ["devices.read"]);
    assert_eq!(code(owner.drop_role("night-shift").await), Some(Code::RightsInUse));
    auth.finish().await;
}

#[tokio::test]
async fn built_in_roles_are_shown_and_never_change() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let owner = Desk::of(&auth, "owner@example.org", "").await;
    for role in ["owner", "operator", "viewer"] {
        assert_eq!(code(owner.make_role(role, &[]).await), Some(Code::ResourceExists));
        assert_eq!(code(owner.change_role(role, &[]).await), Some(Code::RequestInvalid));
        assert_eq!(code(owner.drop_role(role).await), Some(Code::RequestInvalid));
    }
    for role in ["a", "b", "c"] {
        owner.make_role(role, &["devices.read"]).await.unwrap();
    }
    assert_eq!(code(owner.make_role("a", &[]).await), Some(Code::ResourceExists));
    assert_eq!(code(owner.drop_role("c").await), None);
    assert_eq!(code(owner.drop_role("c").await), Some(Code::ResourceNotFound));
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page = wire::ListRolesRequest { page_size: 1, page_token: next };
        let page = owner.roles().list_roles(bearer(page, &owner.token)).await.unwrap().into_inner();
        seen.extend(page.roles.into_iter().map(|role| role.role));
        next = page.next_page_token;
        if next.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["owner", "operator", "viewer", "a", "b"]);
    let viewer = Desk::of(&auth, "viewer@example.org", "").await;
    assert_eq!(code(viewer.make_role("d", &[]).await), Some(Code::AuthForbidden));
    // Another tenant has none of them.
    let bob = Desk::of(&auth, "bob@example.org", "").await;
    assert_eq!(code(bob.drop_role("a").await), Some(Code::ResourceNotFound));
    auth.finish().await;
}

#[tokio::test]
async fn nobody_hands_on_what_they_do_not_hold() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let owner = Desk::of(&auth, "owner@example.org", "").await;
    owner.make_role("steward", &["rights.read", "rights.manage", "devices.read"]).await.unwrap();
    owner.make_role("strong", &["devices.manage", "devices.read"]).await.unwrap();
    let department = owner.department("Plant", "").await;
    let [weak, strong] = [
        owner.position(&department, "Weak", 1).await,
        owner.position(&department, "Strong", 2).await,
    ];
    owner.grant(&strong, "strong", GrantScope::Own).await.unwrap();
    auth.db.sql("update platform.memberships set role = 'steward' where role = 'viewer'").await;
    let steward = Desk::of(&auth, "viewer@example.org", "").await;
    let [operator, me] = [auth.person("operator").await, auth.person("viewer").await];

    let beyond = Some(Code::RightsBeyondOwn);
    assert_eq!(code(steward.make_role("x", &["devices.control"]).await), beyond);
    assert_eq!(code(steward.change_role("strong", &["devices.read"]).await), beyond);
    assert_eq!(code(steward.grant(&weak, "operator", GrantScope::Own).await), beyond);
    assert_eq!(code(steward.assign(&strong, &operator, [None; 2]).await), beyond);
    // Within what they hold they may, only not for themselves.
    assert_eq!(code(steward.make_role("y", &["devices.read"]).await), None);
    assert_eq!(code(steward.grant(&weak, "y", GrantScope::Tenant).await), None);
    assert_eq!(code(steward.assign(&weak, &me, [None; 2]).await), beyond);
    assert_eq!(code(steward.assign(&weak, &operator, [None; 2]).await), None);
    assert_eq!(code(steward.assign(&weak, &operator, [None; 2]).await), Some(Code::ResourceExists));
    assert_eq!(
        code(steward.grant(&weak, "none", GrantScope::Own).await),
        Some(Code::RequestInvalid)
    );
    auth.finish().await;
}

#[tokio::test]
async fn position_gives_its_roles_while_it_is_held_and_to_the_second() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let owner = Desk::of(&auth, "owner@example.org", "").await;
    let (session, viewer) =
        (auth.session("viewer@example.org", "").await, auth.person("viewer").await);
    let department = owner.department("Plant", "").await;
    let position = owner.position(&department, "Engineer", 1).await;
    owner.grant(&position, "operator", GrantScope::Tenant).await.unwrap();
    let span = [Some(auth.in_seconds(20)), Some(auth.in_seconds(50))];
    let before = auth.exchange(&session).await.unwrap();
    owner.assign(&position, &viewer, span).await.unwrap();

    // No token lives beyond the moment at which the position begins, or ends.
    let waiting = auth.claims(&auth.renewed(&follower, &before, &session).await);
    assert_eq!((waiting.exp - waiting.iat, waiting.permissions.len()), (20, 4));
    auth.clock.advance(Span::seconds(20));
    let held = auth.exchange(&session).await.unwrap();
    let claims = auth.claims(&held);
    assert_eq!(claims.permissions, permissions_of("operator"));
    assert_eq!(claims.exp - claims.iat, 30);
    auth.clock.advance(Span::seconds(30));
    assert_eq!(auth.may(&session).await.len(), 4);
    // Sockets hear of it: their grant is looked at by the feed and not by the token's end.
    let told = "select count(*) from platform.assignments where begun and over";
    eventually(SOON, || async { auth.db.sql(told).await.trim() == "1" }).await;
    let grant = claims.grant();
    eventually(SOON, || async { follower.revocations().refuses(&grant) }).await;
    auth.finish().await;
}

#[tokio::test]
async fn role_of_a_department_is_no_right_in_the_tenant_and_is_one_there() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let owner = Desk::of(&auth, "owner@example.org", "").await;
    let (session, viewer) =
        (auth.session("viewer@example.org", "").await, auth.person("viewer").await);
    let top = owner.department("Plant", "").await;
    let below = owner.department("Hall", &top).await;
    let other = owner.department("Office", "").await;
    let position = owner.position(&top, "Engineer", 1).await;
    owner.assign(&position, &viewer, [None; 2]).await.unwrap();
    owner.grant(&position, "operator", GrantScope::Subtree).await.unwrap();
    assert!(!auth.may(&session).await.contains(&"devices.control".to_owned()));
    let allowed = async |department: &str| {
        let answer = owner.explain(&viewer, "devices.control", department).await;
        answer.unwrap().into_inner().allowed
    };
    assert!(allowed(&top).await && allowed(&below).await);
    assert!(!allowed(&other).await && !allowed("").await);
    // It follows the department when that is moved.
    owner.move_department(&below, &other).await.unwrap();
    assert!(!allowed(&below).await);
    owner.grant(&position, "operator", GrantScope::Department).await.unwrap();
    owner.move_department(&below, &top).await.unwrap();
    assert!(allowed(&top).await && !allowed(&below).await);
    auth.finish().await;
}

#[tokio::test]
async fn departments_form_no_loop_also_when_two_are_moved_at_once() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let owner = Desk::of(&auth, "owner@example.org", "").await;
    let top = owner.department("Top", "").await;
    let below = owner.department("Below", &top).await;
    assert_eq!(code(owner.move_department(&top, &below).await), Some(Code::RequestInvalid));
    assert_eq!(code(owner.move_department(&top, &top).await), Some(Code::RequestInvalid));
    for turn in 0..8 {
        let a = owner.department(&format!("A{turn}"), "").await;
        let b = owner.department(&format!("B{turn}"), "").await;
        let (one, two) = tokio::join!(owner.move_department(&a, &b), owner.move_department(&b, &a));
        let moved = [code(one), code(two)];
        assert!(moved.contains(&None) && moved.contains(&Some(Code::RequestInvalid)), "{moved:?}");
    }
    auth.finish().await;
}

#[tokio::test]
async fn departments_are_sixteen_levels_deep_and_deleted_only_when_empty() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let owner = Desk::of(&auth, "owner@example.org", "").await;
    let mut path = vec![owner.department("Level", "").await];
    for _ in 1..16 {
        path.push(owner.department("Level", path.last().unwrap()).await);
    }
    let deeper = owner.make_department("Level", path.last().unwrap()).await;
    assert_eq!(code(deeper), Some(Code::RequestInvalid));
    // Nor by moving two levels below the fifteenth.
    let two = owner.department("Two", "").await;
    owner.department("Levels", &two).await;
    assert_eq!(code(owner.move_department(&two, &path[14]).await), Some(Code::RequestInvalid));
    assert_eq!(code(owner.move_department(&two, &path[13]).await), None);
    let again = owner.make_department("Level", &path[0]).await;
    assert_eq!(code(again), Some(Code::ResourceExists), "a name stands once below its parent");
    let drop = async |id: &str| {
        let request = wire::DeleteDepartmentRequest { department_id: id.to_owned() };
        code(owner.departments().delete_department(bearer(request, &owner.token)).await)
    };
    assert_eq!(drop(&path[15]).await, None);
    assert_eq!(drop(&path[0]).await, Some(Code::RightsInUse));
    owner.position(&path[14], "Guard", 1).await;
    assert_eq!(drop(&path[14]).await, Some(Code::RightsInUse));
    auth.finish().await;
}

#[tokio::test]
async fn api_token_loses_what_its_owner_loses() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let owner = Desk::of(&auth, "owner@example.org", "").await;
    let (session, viewer) =
        (auth.session("viewer@example.org", "").await, auth.person("viewer").await);
    let department = owner.department("Plant", "").await;
    let position = owner.position(&department, "Engineer", 1).await;
    owner.grant(&position, "operator", GrantScope::Tenant).await.unwrap();
    let follower = auth.follower().await;
    let before = auth.exchange(&session).await.unwrap();
    let given = owner.assign(&position, &viewer, [None; 2]).await.unwrap().into_inner();
    let token = auth.renewed(&follower, &before, &session).await;
    let request = CreateApiTokenRequest {
        name: "robot".to_owned(),
        abilities: vec!["devices.control".to_owned(), "devices.read".to_owned()],
        expires_in_days: 1,
    };
    let made = auth.tokens().create_api_token(bearer(request, &token)).await.unwrap().into_inner();
    let robot = auth.exchange(&made.secret).await.unwrap();
    assert_eq!(auth.claims(&robot).permissions, ["devices.control", "devices.read"]);
    let request = wire::EndAssignmentRequest { assignment_id: given.assignment_id };
    for _ in 0..2 {
        let ended = owner.positions().end_assignment(bearer(request.clone(), &owner.token)).await;
        assert!(ended.unwrap().into_inner().ends_at.is_some());
    }
    eventually(SOON, || async { revoked(&follower, &robot) }).await;
    assert_eq!(auth.may(&made.secret).await, ["devices.read"]);
    auth.finish().await;
}

#[tokio::test]
async fn tenant_keeps_an_owner_also_when_the_last_two_go_at_once() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    auth.db.sql("update platform.memberships set role = 'owner' where role = 'operator'").await;
    let pg = auth.db.pg("yard_auth");
    let acme = auth.tenant("acme").await.uuid();
    let demote = async |name: &str| {
        let person: uuid::Uuid = auth.person(name).await.parse().unwrap();
        let mut tx = PlatformTx::begin(&pg, &Actor::service("test")).await.unwrap();
        let sql = "update platform.memberships set role = 'viewer' \
                   where tenant_id = $1 and principal_id = $2";
        let done = sqlx::query(sql).bind(acme).bind(person).execute(&mut *tx).await;
        if done.is_ok() {
            tx.commit().await.unwrap()
        }
        done.map(|_| ()).map_err(|error| error.to_string())
    };
    demote("both").await.unwrap();
    let (one, two) = tokio::join!(demote("owner"), demote("operator"));
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    let refused = one.err().or_else(|| two.err()).unwrap();
    assert!(refused.contains("would have no owner"), "{refused}");
    let left = "select count(*) from platform.memberships where role = 'owner' and tenant_id = \
                (select id from platform.tenants where slug = 'acme')";
    assert_eq!(auth.db.sql(left).await.trim(), "1");
    auth.finish().await;
}
