//! System administrators in a tenant, for a limited time and a stated reason.

mod grpc;
mod store;

use time::OffsetDateTime;
use uuid::Uuid;
use yard_ids::TenantId;
use yard_pg::{PgError, PlatformTx};

/// Role of a session that is in a tenant by break-glass, for display.
pub(crate) const BREAK_GLASS: &str = "break-glass";

/// A tenant that a session of a system administrator is in.
#[derive(Debug, Clone)]
pub(crate) struct Entered {
    pub(crate) id: Uuid,
    pub(crate) tenant: TenantId,
    pub(crate) permissions: Vec<String>,
    /// A whole second. No token may live longer.
    pub(crate) until: OffsetDateTime,
}

/// Whether a system administrator's session is in a tenant that can be entered.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn entered(
    tx: &mut PlatformTx,
    session: Uuid,
    now: OffsetDateTime,
) -> Result<Option<Entered>, PgError> {
    let row = store::of_session(tx, session, now).await?;
    Ok(row.map(|row| Entered {
        id: row.id,
        tenant: TenantId::from_uuid(row.tenant_id),
        permissions: row.permissions,
        until: row.expires_at,
    }))
}
