use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::PgError;

use super::evaluate::{Force, Reach, Rule};
use super::set::PermissionSet;
use super::store::{self, SaidRow};

/// Everything that is said about a person in a tenant at one moment.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// As the evaluator reads it, in the order of `rows`.
    pub(super) rules: Vec<Rule>,
    /// Where each comes from.
    pub(super) rows: Vec<SaidRow>,
    /// When it will be another by itself.
    pub(super) until: Option<OffsetDateTime>,
}

impl Said {
    pub(super) async fn of(
        tx: &mut PgConnection,
        tenant: Uuid,
        person: Uuid,
        now: OffsetDateTime,
    ) -> Result<Self, PgError> {
        let mut rows = store::said(tx, tenant, person, now).await?;
        // The order in which it is explained: what counts first, first.
        rows.sort_by_key(|row| (force(row), row.source == "membership", row.override_id));
        let until = rows.iter().find_map(|row| row.next_change);
        Ok(Self { rules: rows.iter().map(rule).collect(), rows, until })
    }
}

fn force(row: &SaidRow) -> Force {
    match row.source.as_str() {
        "deny" => Force::Deny,
        "allow" => Force::Allow,
        _ => Force::Role,
    }
}

fn rule(row: &SaidRow) -> Rule {
    let stored = row.permissions.as_deref().unwrap_or_default();
    let permissions = match row.override_id {
        Some(_) => PermissionSet::of(stored),
        None => PermissionSet::of_role(&row.role, stored),
    };
    let reach = match (row.scope.as_str(), row.department_id) {
        ("tenant", _) => Reach::Tenant,
        ("department", Some(id)) => Reach::Department(id),
        ("subtree", Some(id)) => Reach::Subtree(id),
        _ => Reach::Own,
    };
    Rule { force: force(row), reach, permissions }
}
