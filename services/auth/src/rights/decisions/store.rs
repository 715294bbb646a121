use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

/// A person with their name.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(super) struct Someone {
    pub(super) principal_id: Uuid,
    pub(super) display_name: String,
}

/// Somebody on duty, and as what.
#[derive(Debug, Clone, FromRow)]
pub(super) struct DutyRow {
    pub(super) department_id: Uuid,
    pub(super) position_id: Uuid,
    pub(super) title: String,
    pub(super) rank: i16,
    pub(super) principal_id: Uuid,
    pub(super) display_name: String,
}

impl DutyRow {
    pub(super) fn someone(&self) -> Someone {
        let Self { principal_id, display_name, .. } = self;
        Someone { principal_id: *principal_id, display_name: display_name.clone() }
    }
}

/// What happens, and when.
pub(super) struct Event<'a> {
    pub(super) kind: &'a str,
    pub(super) severity: i16,
    pub(super) at: OffsetDateTime,
}

/// Who answers for an event in any of the departments at its time. People are of the platform, which
/// row level security of a tenant does not show: the tenant is bound.
pub(super) async fn on_duty(
    tx: &mut PlatformTx,
    tenant: Uuid,
    departments: &[Uuid],
    event: &Event<'_>,
) -> Result<Vec<DutyRow>, PgError> {
    let rows = sqlx::query_as(
        "select p.department_id, p.id as position_id, p.title, p.rank, a.principal_id, \
           pr.display_name \
         from platform.positions p \
         join platform.assignments a on a.tenant_id = p.tenant_id and a.position_id = p.id \
         join platform.principals pr on pr.id = a.principal_id and pr.disabled_at is null \
         where p.tenant_id = $1 and p.department_id = any($2) \
           and p.duty_from between 1 and $3 \
           and (p.duty_kinds = '{}' or $4 = any(p.duty_kinds)) \
           and a.starts_at <= $5 and (a.ends_at is null or a.ends_at > $5) \
         order by p.rank, p.id, a.principal_id limit 1000",
    )
    .bind(tenant)
    .bind(departments)
    .bind(event.severity)
    .bind(event.kind)
    .bind(event.at)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

/// The tenant's owners, longest there first.
pub(super) async fn owners(
    tx: &mut PlatformTx,
    tenant: Uuid,
    most: i64,
) -> Result<Vec<Someone>, PgError> {
    let rows = sqlx::query_as(
        "select m.principal_id, pr.display_name from platform.memberships m \
         join platform.principals pr on pr.id = m.principal_id and pr.disabled_at is null \
         where m.tenant_id = $1 and m.role = 'owner' \
         order by m.created_at, m.principal_id limit $2",
    )
    .bind(tenant)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}
