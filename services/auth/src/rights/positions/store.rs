use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx, TenantTx};

/// A position with its roles, each as key and scope.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) department_id: Uuid,
    pub(super) title: String,
    pub(super) rank: i16,
    pub(super) duty_from: i16,
    pub(super) duty_kinds: Vec<String>,
    pub(super) created_at: OffsetDateTime,
    pub(super) roles: Vec<String>,
    pub(super) scopes: Vec<String>,
}

/// Who holds a position, and when.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Assignment {
    pub(super) id: Uuid,
    pub(super) position_id: Uuid,
    pub(super) principal_id: Uuid,
    pub(super) display_name: String,
    pub(super) starts_at: OffsetDateTime,
    pub(super) ends_at: Option<OffsetDateTime>,
}

/// What a position gives to whoever holds it.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Gift {
    pub(super) role: String,
    pub(super) permissions: Option<Vec<String>>,
}

pub(super) async fn page(
    tx: &mut TenantTx,
    department: Option<Uuid>,
    after: Option<Uuid>,
    most: i64,
) -> Result<Vec<Row>, PgError> {
    let rows = sqlx::query_as(
        "select p.id, p.department_id, p.title, p.rank, p.duty_from, p.duty_kinds, p.created_at, \
           array(select g.role from platform.position_roles g \
             where g.tenant_id = p.tenant_id and g.position_id = p.id order by g.role) as roles, \
           array(select g.scope from platform.position_roles g \
             where g.tenant_id = p.tenant_id and g.position_id = p.id order by g.role) as scopes \
         from platform.positions p \
         where p.tenant_id = $1 and ($2::uuid is null or p.department_id = $2) \
           and ($3::uuid is null or p.id > $3) order by p.id limit $4",
    )
    .bind(tx.tenant().uuid())
    .bind(department)
    .bind(after)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(super) async fn get(tx: &mut TenantTx, id: Uuid) -> Result<Option<Row>, PgError> {
    let row = sqlx::query_as(
        "select p.id, p.department_id, p.title, p.rank, p.duty_from, p.duty_kinds, p.created_at, \
           array(select g.role from platform.position_roles g \
             where g.tenant_id = p.tenant_id and g.position_id = p.id order by g.role) as roles, \
           array(select g.scope from platform.position_roles g \
             where g.tenant_id = p.tenant_id and g.position_id = p.id order by g.role) as scopes \
         from platform.positions p where p.tenant_id = $1 and p.id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row)
}

pub(super) async fn count(tx: &mut TenantTx) -> Result<i64, PgError> {
    let count = sqlx::query_scalar("select count(*) from platform.positions where tenant_id = $1")
        .bind(tx.tenant().uuid())
        .fetch_one(&mut **tx)
        .await?;
    Ok(count)
}

pub(super) async fn insert(tx: &mut TenantTx, row: &Row) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.positions \
           (tenant_id, id, department_id, title, rank, duty_from, duty_kinds, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(tx.tenant().uuid())
    .bind(row.id)
    .bind(row.department_id)
    .bind(&row.title)
    .bind(row.rank)
    .bind(row.duty_from)
    .bind(&row.duty_kinds)
    .bind(row.created_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn update(tx: &mut TenantTx, row: &Row) -> Result<(), PgError> {
    sqlx::query(
        "update platform.positions set title = $3, rank = $4, duty_from = $5, duty_kinds = $6 \
         where tenant_id = $1 and id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(row.id)
    .bind(&row.title)
    .bind(row.rank)
    .bind(row.duty_from)
    .bind(&row.duty_kinds)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn delete(tx: &mut TenantTx, id: Uuid) -> Result<(), PgError> {
    sqlx::query("delete from platform.positions where tenant_id = $1 and id = $2")
        .bind(tx.tenant().uuid())
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub(super) async fn grant(
    tx: &mut TenantTx,
    position: Uuid,
    [role, scope]: [&str; 2],
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.position_roles (tenant_id, position_id, role, scope, created_at) \
         values ($1, $2, $3, $4, $5) \
         on conflict (tenant_id, position_id, role) do update set scope = excluded.scope",
    )
    .bind(tx.tenant().uuid())
    .bind(position)
    .bind(role)
    .bind(scope)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn take(tx: &mut TenantTx, position: Uuid, role: &str) -> Result<(), PgError> {
    sqlx::query(
        "delete from platform.position_roles \
         where tenant_id = $1 and position_id = $2 and role = $3",
    )
    .bind(tx.tenant().uuid())
    .bind(position)
    .bind(role)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Everything that a position gives or may still give: its roles, and allows that are in force or
/// asked for.
pub(super) async fn gifts(
    tx: &mut TenantTx,
    position: Uuid,
    now: OffsetDateTime,
) -> Result<Vec<Gift>, PgError> {
    let rows = sqlx::query_as(
        "select g.role, r.permissions from platform.position_roles g \
         left join platform.roles r on r.tenant_id = g.tenant_id and r.role = g.role \
         where g.tenant_id = $1 and g.position_id = $2 \
         union all \
         select '', array[o.permission] from platform.overrides o \
         where o.tenant_id = $1 and o.position_id = $2 and o.effect = 'allow' \
           and o.state in ('requested', 'approved') and o.expires_at > $3",
    )
    .bind(tx.tenant().uuid())
    .bind(position)
    .bind(now)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}

pub(in crate::rights) async fn exists(tx: &mut TenantTx, id: Uuid) -> Result<bool, PgError> {
    let exists = sqlx::query_scalar(
        "select exists (select from platform.positions where tenant_id = $1 and id = $2)",
    )
    .bind(tx.tenant().uuid())
    .bind(id)
    .fetch_one(&mut **tx)
    .await?;
    Ok(exists)
}

/// Whether somebody holds a position, now or later.
pub(in crate::rights) async fn holds(
    tx: &mut TenantTx,
    position: Uuid,
    person: Uuid,
    now: OffsetDateTime,
) -> Result<bool, PgError> {
    let holds = sqlx::query_scalar(
        "select exists (select from platform.assignments \
         where tenant_id = $1 and position_id = $2 and principal_id = $3 \
           and (ends_at is null or ends_at > $4))",
    )
    .bind(tx.tenant().uuid())
    .bind(position)
    .bind(person)
    .bind(now)
    .fetch_one(&mut **tx)
    .await?;
    Ok(holds)
}

/// How many positions somebody holds or will.
pub(super) async fn held_by(
    tx: &mut TenantTx,
    person: Uuid,
    now: OffsetDateTime,
) -> Result<i64, PgError> {
    let count = sqlx::query_scalar(
        "select count(*) from platform.assignments \
         where tenant_id = $1 and principal_id = $2 and (ends_at is null or ends_at > $3)",
    )
    .bind(tx.tenant().uuid())
    .bind(person)
    .bind(now)
    .fetch_one(&mut **tx)
    .await?;
    Ok(count)
}

/// Whether the person holds the position at some moment of the new assignment.
pub(super) async fn overlaps(tx: &mut TenantTx, new: &Assignment) -> Result<bool, PgError> {
    let overlaps = sqlx::query_scalar(
        "select exists (select from platform.assignments \
         where tenant_id = $1 and position_id = $2 and principal_id = $3 \
           and tstzrange(starts_at, ends_at) && tstzrange($4, $5))",
    )
    .bind(tx.tenant().uuid())
    .bind(new.position_id)
    .bind(new.principal_id)
    .bind(new.starts_at)
    .bind(new.ends_at)
    .fetch_one(&mut **tx)
    .await?;
    Ok(overlaps)
}

pub(super) async fn assign(
    tx: &mut TenantTx,
    new: &Assignment,
    by: &str,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "insert into platform.assignments (tenant_id, id, position_id, principal_id, starts_at, \
           ends_at, created_by, created_at, begun) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(tx.tenant().uuid())
    .bind(new.id)
    .bind(new.position_id)
    .bind(new.principal_id)
    .bind(new.starts_at)
    .bind(new.ends_at)
    .bind(by)
    .bind(now)
    .bind(new.starts_at <= now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends an assignment, one that has not begun before it begins.
pub(super) async fn end(
    tx: &mut TenantTx,
    id: Uuid,
    second: OffsetDateTime,
) -> Result<(), PgError> {
    sqlx::query(
        "update platform.assignments \
         set ends_at = greatest(starts_at, $3), begun = true, over = true \
         where tenant_id = $1 and id = $2 and (ends_at is null or ends_at > $3)",
    )
    .bind(tx.tenant().uuid())
    .bind(id)
    .bind(second)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// By id, of a position or a person or both. People are of the platform, which row level security of a
/// tenant does not show: the tenant is bound.
pub(super) async fn assignments(
    tx: &mut PlatformTx,
    tenant: Uuid,
    [position, person, one, after]: [Option<Uuid>; 4],
    most: i64,
) -> Result<Vec<Assignment>, PgError> {
    let rows = sqlx::query_as(
        "select a.id, a.position_id, a.principal_id, pr.display_name, a.starts_at, a.ends_at \
         from platform.assignments a join platform.principals pr on pr.id = a.principal_id \
         where a.tenant_id = $1 and ($2::uuid is null or a.position_id = $2) \
           and ($3::uuid is null or a.principal_id = $3) and ($4::uuid is null or a.id = $4) \
           and ($5::uuid is null or a.id > $5) order by a.id limit $6",
    )
    .bind(tenant)
    .bind(position)
    .bind(person)
    .bind(one)
    .bind(after)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}
