use yard_authn::{Caller, permissions_of};
use yard_fault::{Code, Fault};

/// The role that decides whether a tenant has somebody who may do everything.
pub(super) const OWNER: &str = "owner";

/// Whether there is a role of that name, and the caller holds everything it holds.
///
/// # Errors
/// `request.invalid` at `/role`, `auth.forbidden`.
pub(super) fn may_grant(caller: &Caller, role: &str) -> Result<(), Fault> {
    if !matches!(role, OWNER | "operator" | "viewer") {
        let rule = "role has to be owner, operator or viewer";
        return Err(Fault::invalid(rule).with_pointer("/role"));
    }
    reaches(caller, role)
}

/// Whether the caller holds everything that someone with a role does: nobody decides about those
/// above them.
///
/// # Errors
/// `auth.forbidden`.
pub(super) fn reaches(caller: &Caller, role: &str) -> Result<(), Fault> {
    let within = permissions_of(role).iter().all(|permission| caller.has(permission));
    within.then_some(()).ok_or_else(|| Fault::new(Code::AuthForbidden))
}

/// Whether a role lets its holder invite others.
pub(super) fn invites(role: &str) -> bool {
    permissions_of(role).contains(&"people.manage")
}

#[cfg(test)]
mod tests {
    use yard_authn::Claims;

    use super::*;

    fn caller(permissions: &[&str]) -> Caller {
        let permissions = permissions.iter().map(|&p| p.to_owned()).collect();
        Caller::verified(Claims { permissions, ..Claims::default() })
    }

    #[test]
    fn nobody_grants_more_than_they_hold() {
        let owner = caller(permissions_of(OWNER));
        for role in [OWNER, "operator", "viewer"] {
            assert!(may_grant(&owner, role).is_ok(), "{role}");
        }
        let clerk: Vec<_> =
            permissions_of("operator").iter().copied().chain(["people.manage"]).collect();
        let clerk = caller(&clerk);
        assert!(may_grant(&clerk, "operator").is_ok());
        assert_eq!(may_grant(&clerk, OWNER).unwrap_err().code(), Code::AuthForbidden);
        assert_eq!(reaches(&clerk, OWNER).unwrap_err().code(), Code::AuthForbidden);
    }

    #[test]
    fn role_that_does_not_exist_is_not_granted() {
        for role in ["", "Owner", "system-administrator", "root"] {
            let refused = may_grant(&caller(permissions_of(OWNER)), role).unwrap_err();
            assert_eq!(refused.pointer(), Some("/role"), "{role}");
        }
        assert!(invites(OWNER) && !invites("operator") && !invites("nobody"));
    }
}
