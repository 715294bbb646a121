//! Accounts, as invitations, registrations and identity providers make them.

use time::OffsetDateTime;
use uuid::Uuid;
use yard_fault::Fault;
use yard_ids::TenantId;
use yard_pg::limit::{self, Limit};
use yard_pg::{PgError, PlatformTx};

use super::store;

/// An account that is to be.
pub(crate) struct NewAccount<'a> {
    pub(crate) id: Uuid,
    pub(crate) email: &'a str,
    pub(crate) display_name: &'a str,
    pub(crate) password_hash: &'a str,
    pub(crate) locale: Option<&'a str>,
    pub(crate) at: OffsetDateTime,
    /// Whether whoever makes it held a link that was sent to the address.
    pub(crate) proved: bool,
}

/// Makes the account, or takes one up again that is in no tenant: its owner has proved the address,
/// as with a new password. `taken_up` is the principal of such a one.
pub(crate) async fn make(
    tx: &mut PlatformTx,
    account: &NewAccount<'_>,
    taken_up: Option<Uuid>,
) -> Result<(), PgError> {
    match taken_up {
        None => {
            store::insert_principal(tx, account).await?;
            store::insert_person(tx, account).await
        }
        Some(principal) => store::take_up(tx, principal, account).await,
    }
}

/// Somebody followed a link that was sent to a person's address.
pub(crate) async fn note_verified(
    tx: &mut PlatformTx,
    principal: Uuid,
    now: OffsetDateTime,
) -> Result<(), PgError> {
    store::note_verified(tx, principal, now).await
}

/// Makes a person a member of a tenant, if it may have one more.
///
/// # Errors
/// `limit.reached`.
pub(crate) async fn join(
    tx: &mut PlatformTx,
    tenant: TenantId,
    (person, role): (Uuid, &str),
    now: OffsetDateTime,
) -> Result<(), Fault> {
    limit::hold(tx, tenant, Limit::People, now).await?;
    Ok(store::add_member(tx, tenant.uuid(), person, role, now).await?)
}
