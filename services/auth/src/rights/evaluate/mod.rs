//! What somebody may do: deny override, then allow override, then roles, then nothing.
//!
//! A question is about things: of one department or of any, the person's own or not. A deny reaches
//! all that could be meant, an allow only what surely is. So what is answered for the whole tenant,
//! which is what an access token says, holds for every single thing in it.

use uuid::Uuid;

use super::set::PermissionSet;

/// What a rule does, in the order in which rules count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Force {
    Deny,
    Allow,
    Role,
}

/// Which things a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The person's own.
    Own,
    /// A department's.
    Department(Uuid),
    /// Those of a department and of all below it.
    Subtree(Uuid),
    /// All.
    Tenant,
}

/// One thing that is said about a person.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) force: Force,
    pub(crate) reach: Reach,
    pub(crate) permissions: PermissionSet,
}

/// What a question is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Target {
    /// A department with all above it, itself first; empty when it may be any or none.
    pub(crate) path: Vec<Uuid>,
    /// Only what is the person's own.
    pub(crate) own: bool,
}

impl Rule {
    /// Whether it has a say about the target.
    pub(crate) fn reaches(&self, target: &Target) -> bool {
        let anywhere = target.path.is_empty();
        // Where it is not known, a deny takes it that it could be here, an allow that it is not.
        let unknown = anywhere && self.force == Force::Deny;
        match self.reach {
            Reach::Tenant => true,
            Reach::Own => target.own || unknown,
            Reach::Department(id) => unknown || target.path.first() == Some(&id),
            Reach::Subtree(id) => unknown || target.path.contains(&id),
        }
    }
}

/// Everything that may be done to the target.
pub(crate) fn held(rules: &[Rule], target: &Target) -> PermissionSet {
    let (mut denied, mut given) = (PermissionSet::default(), PermissionSet::default());
    for rule in rules.iter().filter(|rule| rule.reaches(target)) {
        match rule.force {
            Force::Deny => denied = denied.or(rule.permissions),
            Force::Allow | Force::Role => given = given.or(rule.permissions),
        }
    }
    given.without(denied)
}

/// The rule that decides about one permission, as its place; `None` when nothing gives it.
pub(crate) fn deciding(
    rules: &[Rule],
    permission: PermissionSet,
    target: &Target,
) -> Option<usize> {
    let speaking = rules.iter().enumerate();
    let speaking =
        speaking.filter(|(_, rule)| rule.permissions.holds(permission) && rule.reaches(target));
    speaking.min_by_key(|(place, rule)| (rule.force, *place)).map(|(place, _)| place)
}

#[cfg(test)]
mod tests;
