use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, TenantTx};

/// Something that is said about a person, as it is stored.
#[derive(Debug, Clone, FromRow)]
pub(super) struct SaidRow {
    /// `membership`, `position`, `allow` or `deny`.
    pub(super) source: String,
    pub(super) role: String,
    /// Of one of the tenant's own roles, or the one of an override.
    pub(super) permissions: Option<Vec<String>>,
    pub(super) scope: String,
    pub(super) position_id: Option<Uuid>,
    pub(super) department_id: Option<Uuid>,
    pub(super) override_id: Option<Uuid>,
    pub(super) reason: String,
    pub(super) expires_at: Option<OffsetDateTime>,
    /// When the next of all these begins or ends.
    pub(super) next_change: Option<OffsetDateTime>,
}

/// Everything that is said about a member at a moment; empty for who is none.
pub(super) async fn said(
    tx: &mut PgConnection,
    tenant: Uuid,
    person: Uuid,
    now: OffsetDateTime,
) -> Result<Vec<SaidRow>, PgError> {
    let rows = sqlx::query_as(
        "with places as ( \
           select p.id as position_id, p.department_id \
           from platform.assignments a \
           join platform.positions p on p.tenant_id = a.tenant_id and p.id = a.position_id \
           where a.tenant_id = $1 and a.principal_id = $2 \
             and a.starts_at <= $3 and (a.ends_at is null or a.ends_at > $3)), \
         exceptions as ( \
           select o.id, o.effect, o.permission, o.scope, o.position_id, o.reason, o.expires_at, \
             coalesce(o.department_id, p.department_id) as department_id \
           from platform.overrides o \
           left join platform.positions p on p.tenant_id = o.tenant_id and p.id = o.position_id \
           where o.tenant_id = $1 and o.state = 'approved' and o.expires_at > $3 \
             and (o.principal_id = $2 or o.position_id in (select position_id from places))), \
         moments as ( \
           select starts_at as at from platform.assignments \
             where tenant_id = $1 and principal_id = $2 \
           union all select ends_at from platform.assignments \
             where tenant_id = $1 and principal_id = $2 \
           union all select expires_at from exceptions), \
         following as (select min(at) as next_change from moments where at > $3) \
         select 'membership' as source, m.role, r.permissions, 'tenant' as scope, \
           null::uuid as position_id, null::uuid as department_id, null::uuid as override_id, \
           '' as reason, null::timestamptz as expires_at, f.next_change \
         from platform.memberships m cross join following f \
         left join platform.roles r on r.tenant_id = m.tenant_id and r.role = m.role \
         where m.tenant_id = $1 and m.principal_id = $2 \
         union all \
         select 'position', g.role, r.permissions, g.scope, h.position_id, h.department_id, \
           null, '', null, f.next_change \
         from places h cross join following f \
         join platform.position_roles g on g.tenant_id = $1 and g.position_id = h.position_id \
         left join platform.roles r on r.tenant_id = g.tenant_id and r.role = g.role \
         union all \
         select e.effect, '', array[e.permission], e.scope, e.position_id, e.department_id, \
           e.id, e.reason, e.expires_at, f.next_change \
         from exceptions e cross join following f",
    )
    .bind(tenant)
    .bind(person)
    .bind(now)
    .fetch_all(tx)
    .await?;
    Ok(rows)
}

/// Has everybody who changes this tenant's rights wait until this transaction ends: so that two moves
/// make no loop, counts hold, and what was checked stays true until it is written.
pub(super) async fn lock(tx: &mut TenantTx) -> Result<(), PgError> {
    sqlx::query("select pg_advisory_xact_lock(7205, hashtext($1))")
        .bind(tx.tenant().to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// What one of the tenant's own roles holds. Its row stays as it is until the transaction ends.
pub(super) async fn permissions_of_own(
    tx: &mut PgConnection,
    tenant: Uuid,
    role: &str,
) -> Result<Option<Vec<String>>, PgError> {
    let permissions = sqlx::query_scalar(
        "select permissions from platform.roles where tenant_id = $1 and role = $2 for share",
    )
    .bind(tenant)
    .bind(role)
    .fetch_optional(tx)
    .await?;
    Ok(permissions)
}

/// A department and all above it, itself first; empty when there is none of that id. Ends also if
/// somebody at the database had made a loop.
pub(super) async fn path(tx: &mut TenantTx, department: Uuid) -> Result<Vec<Uuid>, PgError> {
    let path = sqlx::query_scalar(
        "with recursive up (id, parent_id, walked) as ( \
           select d.id, d.parent_id, array[d.id] from platform.departments d \
             where d.tenant_id = $1 and d.id = $2 \
           union all \
           select d.id, d.parent_id, u.walked || d.id from up u \
           join platform.departments d on d.tenant_id = $1 and d.id = u.parent_id \
             where d.id <> all (u.walked)) \
         select id from up order by cardinality(walked)",
    )
    .bind(tx.tenant().uuid())
    .bind(department)
    .fetch_all(&mut **tx)
    .await?;
    Ok(path)
}

/// The role of a member.
pub(super) async fn role_of(tx: &mut TenantTx, person: Uuid) -> Result<Option<String>, PgError> {
    let tenant = tx.tenant().uuid();
    role_in(tx, tenant, person).await
}

/// The role of a member of `tenant`; `None` for somebody who is none.
pub(crate) async fn role_in(
    connection: &mut PgConnection,
    tenant: Uuid,
    person: Uuid,
) -> Result<Option<String>, PgError> {
    let role = sqlx::query_scalar(
        "select role from platform.memberships where tenant_id = $1 and principal_id = $2",
    )
    .bind(tenant)
    .bind(person)
    .fetch_optional(connection)
    .await?;
    Ok(role)
}
