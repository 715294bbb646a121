//! What somebody asks for, as far as it can be judged by itself.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;
use yard_contracts::rights::v1 as wire;
use yard_contracts::rights::v1::OverrideEffect;
use yard_fault::Fault;

use super::store::Row;
use crate::rights::checks;

/// An exception that lasts longer is a role.
const LONGEST: Duration = Duration::days(90);

/// Reads a request; what it says of people, positions and departments is not looked up yet.
pub(super) fn read(
    request: &wire::RequestOverrideRequest,
    id: Uuid,
    by: Uuid,
    now: OffsetDateTime,
) -> Result<Row, Fault> {
    let person = checks::optional_id(&request.principal_id, "/principal_id")?;
    let position = checks::optional_id(&request.position_id, "/position_id")?;
    if person.is_some() == position.is_some() {
        return Err(checks::wrong("either this or position_id has to be given", "/principal_id"));
    }
    checks::permission(&request.permission)?;
    let scope = checks::scope(request.scope)?;
    let department = checks::optional_id(&request.department_id, "/department_id")?;
    let needs_one = person.is_some() && matches!(scope, "department" | "subtree");
    if department.is_some() != needs_one {
        let text = "belongs to a person's override of scope department or subtree";
        return Err(checks::wrong(text, "/department_id"));
    }
    let deny = match OverrideEffect::try_from(request.effect) {
        Ok(OverrideEffect::Allow) => false,
        Ok(OverrideEffect::Deny) => true,
        Ok(OverrideEffect::Unspecified) | Err(_) => {
            return Err(checks::wrong("effect has to be allow or deny", "/effect"));
        }
    };
    Ok(Row {
        id,
        principal_id: person,
        position_id: position,
        permission: request.permission.clone(),
        effect: if deny { "deny" } else { "allow" }.to_owned(),
        scope: scope.to_owned(),
        department_id: department,
        reason: checks::reason(&request.reason)?,
        state: if deny { "approved" } else { "requested" }.to_owned(),
        requested_by: by,
        requested_at: now,
        expires_at: expiry(request.expires_at.as_ref(), now)?,
        decided_by: deny.then_some(by),
        decided_at: deny.then_some(now),
        decision_reason: String::new(),
        ended_by: None,
        ended_at: None,
    })
}

fn expiry(
    asked: Option<&prost_types::Timestamp>,
    now: OffsetDateTime,
) -> Result<OffsetDateTime, Fault> {
    let rule = || checks::wrong("has to be in the future, at most 90 days from now", "/expires_at");
    let at = checks::second(asked, "/expires_at")?.ok_or_else(rule)?;
    if at > now && at <= now + LONGEST { Ok(at) } else { Err(rule()) }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use yard_contracts::rights::v1::GrantScope;
    use yard_contracts::values::timestamp;
    use yard_fault::Code;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

    fn request() -> wire::RequestOverrideRequest {
        wire::RequestOverrideRequest {
            principal_id: Uuid::from_u128(1).to_string(),
            position_id: String::new(),
            permission: "devices.control".to_owned(),
            effect: OverrideEffect::Allow.into(),
            scope: GrantScope::Tenant.into(),
            department_id: String::new(),
            reason: "night shift".to_owned(),
            expires_at: Some(timestamp(NOW + Duration::hours(1))),
        }
    }

    fn state(request: &wire::RequestOverrideRequest) -> Result<String, Code> {
        let row = read(request, Uuid::nil(), Uuid::from_u128(9), NOW);
        row.map(|row| row.state).map_err(|fault| fault.code())
    }

    #[test]
    fn allow_waits_for_a_second_person_and_a_deny_does_not() {
        assert_eq!(state(&request()).unwrap(), "requested");
        let deny = OverrideEffect::Deny.into();
        assert_eq!(
            state(&wire::RequestOverrideRequest { effect: deny, ..request() }).unwrap(),
            "approved"
        );
    }

    #[test]
    fn expiry_is_held_to_its_edges() {
        let until = |at: OffsetDateTime| {
            state(&wire::RequestOverrideRequest { expires_at: Some(timestamp(at)), ..request() })
        };
        assert!(until(NOW + Duration::SECOND).is_ok() && until(NOW + LONGEST).is_ok());
        for wrong in [NOW, NOW - Duration::SECOND, NOW + LONGEST + Duration::SECOND] {
            assert_eq!(until(wrong), Err(Code::RequestInvalid), "{wrong}");
        }
        let none = wire::RequestOverrideRequest { expires_at: None, ..request() };
        assert_eq!(state(&none), Err(Code::RequestInvalid));
    }

    #[test]
    fn wishes_that_contradict_themselves_are_refused() {
        let (id, none) = (Uuid::from_u128(2).to_string(), String::new());
        let subtree: i32 = GrantScope::Subtree.into();
        for wrong in [
            wire::RequestOverrideRequest { position_id: id.clone(), ..request() },
            wire::RequestOverrideRequest { principal_id: none.clone(), ..request() },
            wire::RequestOverrideRequest { permission: "ops.manage".to_owned(), ..request() },
            wire::RequestOverrideRequest { department_id: id.clone(), ..request() },
            wire::RequestOverrideRequest { scope: subtree, ..request() },
            wire::RequestOverrideRequest { scope: 0, ..request() },
            wire::RequestOverrideRequest { effect: 7, ..request() },
            wire::RequestOverrideRequest { reason: " ".to_owned(), ..request() },
            wire::RequestOverrideRequest {
                principal_id: none,
                position_id: id.clone(),
                scope: subtree,
                department_id: id.clone(),
                ..request()
            },
        ] {
            assert_eq!(state(&wrong), Err(Code::RequestInvalid), "{wrong:?}");
        }
        let placed =
            wire::RequestOverrideRequest { scope: subtree, department_id: id, ..request() };
        assert!(state(&placed).is_ok());
    }
}
