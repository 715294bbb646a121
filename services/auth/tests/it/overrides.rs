//! Exceptions that expire, why somebody may do something, and who answers for what happens.

use time::Duration as Span;
use time::OffsetDateTime;
use yard_contracts::rights::v1 as wire;
use yard_contracts::rights::v1::{GrantScope, OverrideEffect, OverrideState, RuleKind, Severity};
use yard_contracts::values::timestamp;
use yard_fault::Code;
use yard_testkit::{eventually, logs};

use crate::rights_support::{Desk, SOON, revoked};
use crate::support::{Auth, bearer, code};

const CONTROL: &str = "devices.control";

/// Acme with a second owner: allowing something needs two.
async fn two_owners(auth: &Auth) -> [Desk; 2] {
    auth.db.sql("update platform.memberships set role = 'owner' where role = 'operator'").await;
    [
        Desk::of(auth, "owner@example.org", "").await,
        Desk::of(auth, "operator@example.org", "").await,
    ]
}

#[tokio::test]
async fn allow_needs_a_second_person_and_then_holds_until_it_expires() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let [owner, second] = two_owners(&auth).await;
    let (session, viewer) =
        (auth.session("viewer@example.org", "").await, auth.person("viewer").await);
    let until = timestamp(auth.in_seconds(40));
    let asked = owner.wish([&viewer, ""], CONTROL, OverrideEffect::Allow, until).await;
    let asked = asked.unwrap().into_inner();
    assert_eq!(asked.state(), OverrideState::Requested);
    assert!(!auth.may(&session).await.contains(&CONTROL.to_owned()));

    let own = code(owner.approve(&asked.override_id).await);
    assert_eq!(own, Some(Code::RightsBeyondOwn), "who asked does not approve");
    let before = auth.exchange(&session).await.unwrap();
    let approved = second.approve(&asked.override_id).await.unwrap().into_inner();
    assert_eq!(approved.state(), OverrideState::Approved);
    assert_eq!(approved.decided_by, auth.person("operator").await);
    let again = code(second.approve(&asked.override_id).await);
    assert_eq!(again, Some(Code::ResourceStale), "it is decided once");

    let held = auth.renewed(&follower, &before, &session).await;
    let claims = auth.claims(&held);
    assert!(claims.permissions.contains(&CONTROL.to_owned()));
    assert_eq!(claims.exp - claims.iat, 40);
    auth.clock.advance(Span::seconds(40));
    assert!(!auth.may(&session).await.contains(&CONTROL.to_owned()));
    let grant = claims.grant();
    eventually(SOON, || async { follower.revocations().refuses(&grant) }).await;
    let state = "select state from platform.overrides";
    assert_eq!(auth.db.sql(state).await.trim(), "expired");
    auth.finish().await;
}

#[tokio::test]
async fn whoever_gets_an_allow_does_not_approve_it_also_by_a_position() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let [owner, second] = two_owners(&auth).await;
    let me = auth.person("operator").await;
    let until = timestamp(auth.in_seconds(40));
    let asked = owner.wish([&me, ""], CONTROL, OverrideEffect::Allow, until).await.unwrap();
    let refused = code(second.approve(&asked.into_inner().override_id).await);
    assert_eq!(refused, Some(Code::RightsBeyondOwn));
    let department = owner.department("Plant", "").await;
    let position = owner.position(&department, "Engineer", 1).await;
    let follower = auth.follower().await;
    owner.assign(&position, &me, [Some(auth.in_seconds(30)), None]).await.unwrap();
    eventually(SOON, || async { revoked(&follower, &second.token) }).await;
    let second = Desk::of(&auth, "operator@example.org", "").await;
    let asked = owner.wish(["", &position], CONTROL, OverrideEffect::Allow, until).await.unwrap();
    let id = asked.into_inner().override_id;
    let refused = code(second.approve(&id).await);
    assert_eq!(refused, Some(Code::RightsBeyondOwn), "who will hold the position gets it too");
    // Nor does the database let it happen, whatever a program says.
    let pg = auth.db.pg("yard_auth");
    let actor = yard_pg::Actor::service("test");
    let mut tx = yard_pg::PlatformTx::begin(&pg, &actor).await.unwrap();
    let sql = "update platform.overrides set state = 'approved', decided_by = requested_by";
    let refused = sqlx::query(sql).execute(&mut *tx).await.unwrap_err().to_string();
    assert!(refused.contains("overrides_two_people"), "{refused}");
    auth.finish().await;
}

#[tokio::test]
async fn two_who_approve_at_once_decide_it_once() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let [owner, second] = two_owners(&auth).await;
    auth.db.sql("update platform.memberships set role = 'owner' where role = 'operator'").await;
    let third = Desk::of(&auth, "both@example.org", "acme").await;
    let viewer = auth.person("viewer").await;
    for _ in 0..5 {
        let until = timestamp(auth.in_seconds(40));
        let asked = owner.wish([&viewer, ""], CONTROL, OverrideEffect::Allow, until).await;
        let id = asked.unwrap().into_inner().override_id;
        let (one, two) = tokio::join!(second.approve(&id), third.approve(&id));
        let decided = [code(one), code(two)];
        assert!(decided.contains(&None) && decided.contains(&Some(Code::ResourceStale)));
    }
    auth.finish().await;
}

#[tokio::test]
async fn deny_holds_at_once_beats_an_allow_and_is_not_ended_by_whom_it_is_against() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let [owner, second] = two_owners(&auth).await;
    owner.make_role("steward", &["rights.read", "rights.manage"]).await.unwrap();
    auth.db.sql("update platform.memberships set role = 'steward' where role = 'viewer'").await;
    let (session, person) =
        (auth.session("viewer@example.org", "").await, auth.person("viewer").await);
    let until = timestamp(auth.in_seconds(3_000));
    let allow = owner.wish([&person, ""], CONTROL, OverrideEffect::Allow, until).await.unwrap();
    let before = auth.exchange(&session).await.unwrap();
    second.approve(&allow.into_inner().override_id).await.unwrap();
    let before = auth.renewed(&follower, &before, &session).await;
    assert!(auth.claims(&before).permissions.contains(&CONTROL.to_owned()));
    let deny = owner.wish([&person, ""], CONTROL, OverrideEffect::Deny, until).await.unwrap();
    let deny = deny.into_inner();
    assert_eq!(deny.state(), OverrideState::Approved);
    let after = auth.renewed(&follower, &before, &session).await;
    assert!(!auth.claims(&after).permissions.contains(&CONTROL.to_owned()));

    let steward = Desk::with(&auth, after.clone());
    assert_eq!(code(steward.end(&deny.override_id).await), Some(Code::RightsBeyondOwn));
    let told = steward.explain(&person, CONTROL, "").await.unwrap().into_inner();
    let kinds: Vec<_> = told.rules.iter().map(|rule| (rule.kind(), rule.decides)).collect();
    let expected = [
        (RuleKind::DenyOverride, true),
        (RuleKind::AllowOverride, false),
        (RuleKind::DefaultDeny, false),
    ];
    assert_eq!((told.allowed, kinds.as_slice()), (false, &expected[..]));
    assert_eq!(told.stands_until, Some(until));
    for _ in 0..2 {
        let ended = owner.end(&deny.override_id).await.unwrap().into_inner();
        assert_eq!(ended.state(), OverrideState::Ended);
    }
    eventually(SOON, || async { revoked(&follower, &after) }).await;
    assert!(auth.may(&session).await.contains(&CONTROL.to_owned()));
    // An owner is narrowed by nobody.
    let other = auth.person("operator").await;
    let against = owner.wish([&other, ""], CONTROL, OverrideEffect::Deny, until).await;
    assert_eq!(code(against), Some(Code::RequestInvalid));
    auth.finish().await;
}

#[tokio::test]
async fn override_of_a_position_reaches_who_holds_it_and_request_that_nobody_decides_expires() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let follower = auth.follower().await;
    let [owner, _second] = two_owners(&auth).await;
    let (session, viewer) =
        (auth.session("viewer@example.org", "").await, auth.person("viewer").await);
    let department = owner.department("Plant", "").await;
    let position = owner.position(&department, "Trainee", 1).await;
    let until = timestamp(auth.in_seconds(40));
    let before = auth.exchange(&session).await.unwrap();
    owner.assign(&position, &viewer, [None; 2]).await.unwrap();
    let before = auth.renewed(&follower, &before, &session).await;
    owner.wish(["", &position], "people.read", OverrideEffect::Deny, until).await.unwrap();
    let after = auth.renewed(&follower, &before, &session).await;
    assert!(!auth.claims(&after).permissions.contains(&"people.read".to_owned()));
    owner.wish(["", &position], CONTROL, OverrideEffect::Allow, until).await.unwrap();
    auth.clock.advance(Span::seconds(40));
    let waiting = "select count(*) from platform.overrides where state = 'expired'";
    eventually(SOON, || async { auth.db.sql(waiting).await.trim() == "2" }).await;
    auth.finish().await;
}

#[tokio::test]
async fn caller_is_told_why_about_themselves_and_about_members_only() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let viewer = Desk::of(&auth, "viewer@example.org", "").await;
    let ask = async |permission: &str, own| {
        let request = wire::ExplainOwnDecisionRequest {
            permission: permission.to_owned(),
            department_id: String::new(),
            own,
        };
        viewer.decisions().explain_own_decision(bearer(request, &viewer.token)).await
    };
    let told = ask("devices.read", false).await.unwrap().into_inner();
    let [role, last] = told.rules.as_slice() else { panic!("{told:?}") };
    assert_eq!((role.kind(), role.role.as_str()), (RuleKind::MembershipRole, "viewer"));
    assert!(told.allowed && role.decides && role.reaches && !last.decides);
    let told = ask(CONTROL, true).await.unwrap().into_inner();
    assert!(!told.allowed && told.rules.len() == 1 && told.rules[0].decides, "{told:?}");
    assert_eq!(code(ask("ops.manage", false).await), Some(Code::RequestInvalid));
    let stranger = auth.person("bob").await;
    let other = viewer.explain(&stranger, CONTROL, "").await;
    assert_eq!(code(other), Some(Code::ResourceNotFound));
    auth.finish().await;
}

#[tokio::test]
async fn event_goes_to_who_has_the_duty_then_up_the_tree_and_at_last_to_the_owners() {
    let _log = logs::capture();
    let auth = Auth::start().await;
    let owner = Desk::of(&auth, "owner@example.org", "").await;
    let top = owner.department("Plant", "").await;
    let hall = owner.department("Hall", &top).await;
    let guard = owner.position(&hall, "Guard", 1).await;
    let head = owner.position(&top, "Head", 50).await;
    let [viewer, operator] = [auth.person("viewer").await, auth.person("operator").await];
    let shift = [Some(auth.in_seconds(100)), Some(auth.in_seconds(200))];
    owner.assign(&guard, &viewer, shift).await.unwrap();
    owner.assign(&head, &operator, [None; 2]).await.unwrap();
    let route = async |severity: Severity, at: OffsetDateTime| {
        let request = wire::ResolveRouteRequest {
            department_id: hall.clone(),
            kind: "door.forced".to_owned(),
            severity: severity.into(),
            at: Some(timestamp(at)),
        };
        let route = owner.decisions().resolve_route(bearer(request, &owner.token)).await;
        let steps = route.unwrap().into_inner().steps;
        assert!(steps.last().unwrap().owners);
        let names = steps.iter().map(|step| step.people[0].display_name.clone());
        names.collect::<Vec<_>>()
    };
    let night = auth.in_seconds(150);
    assert_eq!(route(Severity::Critical, night).await, ["viewer", "operator", "owner"]);
    assert_eq!(route(Severity::Warning, auth.in_seconds(200)).await, ["operator", "owner"]);
    assert_eq!(route(Severity::Information, night).await, ["owner"]);
    auth.db
        .sql("update platform.principals set disabled_at = now() where display_name = 'operator'")
        .await;
    assert_eq!(route(Severity::Warning, night).await, ["viewer", "owner"]);
    owner.grant(&head, "viewer", GrantScope::Own).await.unwrap();
    auth.finish().await;
}
