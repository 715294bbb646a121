use sqlx::FromRow;
use uuid::Uuid;
use yard_ids::TenantId;
use yard_pg::{PgError, PlatformTx};

/// A member of a tenant.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Member {
    pub(super) principal_id: Uuid,
    pub(super) email: String,
    pub(super) display_name: String,
    pub(super) role: String,
}

/// Members by e-mail, from behind `after`. People are of the platform and not of a tenant, so row
/// level security cannot narrow this one: the tenant is bound.
pub(super) async fn members(
    tx: &mut PlatformTx,
    tenant: TenantId,
    after: Option<&str>,
    most: i64,
) -> Result<Vec<Member>, PgError> {
    let rows = sqlx::query_as(
        "select p.principal_id, p.email, pr.display_name, m.role \
         from platform.memberships m \
         join platform.people p on p.principal_id = m.principal_id \
         join platform.principals pr on pr.id = p.principal_id \
         where m.tenant_id = $1 and ($2::text is null or p.email > $2) \
         order by p.email limit $3",
    )
    .bind(tenant.uuid())
    .bind(after)
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows)
}
