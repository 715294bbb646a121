//! A decision with every rule that had a say.

use time::OffsetDateTime;
use uuid::Uuid;
use yard_contracts::rights::v1::{Decision, DecisionRule, GrantScope, RuleKind};
use yard_contracts::values::timestamp;

use crate::rights::checks;
use crate::rights::evaluate::{self, Rule, Target};
use crate::rights::said::Said;
use crate::rights::set::PermissionSet;
use crate::rights::store::SaidRow;

/// What is asked.
pub(super) struct Question<'a> {
    pub(super) person: Uuid,
    pub(super) permission: &'a str,
    pub(super) set: PermissionSet,
    pub(super) target: Target,
}

/// Answers by the rules that the access token is made of.
pub(super) fn decision(said: &Said, question: &Question<'_>) -> Decision {
    let Question { person, permission, set, target } = question;
    let decides = evaluate::deciding(&said.rules, *set, target);
    let concerned = said.rows.iter().zip(&said.rules).enumerate();
    let concerned = concerned.filter(|(_, (_, rule))| rule.permissions.holds(*set));
    let mut rules: Vec<DecisionRule> = concerned
        .map(|(place, (row, rule))| shown(row, rule, target, decides == Some(place)))
        .collect();
    rules.push(last(decides.is_none()));
    Decision {
        principal_id: person.as_hyphenated().to_string(),
        permission: (*permission).to_owned(),
        allowed: evaluate::held(&said.rules, target).holds(*set),
        rules,
        stands_until: said.until.map(timestamp),
    }
}

/// The same for a system administrator who entered the tenant: what was stated is all there is.
pub(super) fn stated(
    person: Uuid,
    permission: &str,
    stated: &[String],
    until: Option<OffsetDateTime>,
) -> Decision {
    let allowed = stated.iter().any(|held| held == permission);
    let rule = DecisionRule {
        kind: RuleKind::BreakGlass.into(),
        reaches: true,
        decides: true,
        scope: GrantScope::Tenant.into(),
        ..DecisionRule::default()
    };
    let mut rules = if allowed { vec![rule] } else { Vec::new() };
    rules.push(last(!allowed));
    Decision {
        principal_id: person.as_hyphenated().to_string(),
        permission: permission.to_owned(),
        allowed,
        rules,
        stands_until: until.map(timestamp),
    }
}

/// What nothing allows is refused.
fn last(decides: bool) -> DecisionRule {
    DecisionRule {
        kind: RuleKind::DefaultDeny.into(),
        reaches: true,
        decides,
        scope: GrantScope::Tenant.into(),
        ..DecisionRule::default()
    }
}

fn shown(row: &SaidRow, rule: &Rule, target: &Target, decides: bool) -> DecisionRule {
    let id = |id: Option<Uuid>| id.map(|id| id.as_hyphenated().to_string()).unwrap_or_default();
    let kind = match row.source.as_str() {
        "deny" => RuleKind::DenyOverride,
        "allow" => RuleKind::AllowOverride,
        "position" => RuleKind::PositionRole,
        _ => RuleKind::MembershipRole,
    };
    DecisionRule {
        kind: kind.into(),
        reaches: rule.reaches(target),
        decides,
        scope: checks::wire_scope(&row.scope).into(),
        role: row.role.clone(),
        position_id: id(row.position_id),
        department_id: id(row.department_id),
        override_id: id(row.override_id),
        reason: row.reason.clone(),
        expires_at: row.expires_at.map(timestamp),
    }
}
