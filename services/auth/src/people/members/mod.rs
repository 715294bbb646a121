//! Members of a tenant: listed, given roles, taken out.

pub(super) mod grpc;
mod store;

use time::OffsetDateTime;
use uuid::Uuid;
use yard_fault::Fault;
use yard_ids::TenantId;
use yard_pg::PlatformTx;

use super::OWNER;
use crate::rights;

/// What inviting asks for.
const INVITES: &str = "people.manage";

/// Gives a member another role, and makes void what they may not have sent with it. Whoever calls it
/// holds the tenant's lock and has seen that an owner is left.
async fn put(
    tx: &mut PlatformTx,
    tenant: TenantId,
    principal: Uuid,
    role: &str,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    store::set_role(tx, tenant, principal, role).await?;
    let held = rights::held(tx, Some(tenant.uuid()), principal, now).await?;
    if !held.permissions.iter().any(|held| held == INVITES) {
        store::withdraw_invitations_of(tx, tenant, principal, now).await?;
    }
    Ok(())
}

/// Gives a member the role that somebody else's word says, unless the tenant would be left without an
/// owner; says which role holds then. Under [`crate::people::lock_tenant`] only.
///
/// # Errors
/// When the database does not take it.
pub(crate) async fn assume(
    tx: &mut PlatformTx,
    tenant: TenantId,
    (principal, own): (Uuid, String),
    role: &str,
    now: OffsetDateTime,
) -> Result<String, Fault> {
    let stays =
        own == role || (own == OWNER && store::other_owners(tx, tenant, principal).await? == 0);
    if stays {
        return Ok(own);
    }
    put(tx, tenant, principal, role, now).await?;
    Ok(role.to_owned())
}
