//! Plans: named sets of limits. Tenants of a plan have its numbers where they have none of their own.

mod store;

use time::OffsetDateTime;
use yard_contracts::tenancy::v1 as wire;
use yard_contracts::values::timestamp;
use yard_fault::Fault;
use yard_pg::{PgError, PlatformTx};

use super::{limits, names};
use store::Row;

/// All of them, by name; whoever runs a platform has a handful.
pub(super) async fn list(tx: &mut PlatformTx) -> Result<Vec<wire::Plan>, PgError> {
    Ok(store::all(tx).await?.into_iter().map(plan).collect())
}

/// Makes or replaces one.
pub(super) async fn put(
    tx: &mut PlatformTx,
    wanted: wire::Plan,
    by: &str,
    now: OffsetDateTime,
) -> Result<wire::Plan, Fault> {
    if wanted.name.is_empty() {
        return Err(Fault::invalid("a plan needs a name").with_pointer("/name"));
    }
    let row = Row {
        name: names::plan(&wanted.name)?.to_owned(),
        description: names::description(&wanted.description)?,
        limits: limits::checked(wanted.limits)?,
        changed_at: now,
        changed_by: by.to_owned(),
    };
    store::put(tx, &row).await?;
    Ok(plan(row))
}

/// Holds a name against the plans that there are.
///
/// # Errors
/// `request.invalid` when there is none of that name.
pub(super) async fn existing(tx: &mut PlatformTx, name: &str) -> Result<(), Fault> {
    if is_plan(tx, name).await? {
        return Ok(());
    }
    Err(Fault::invalid("there is no plan of that name").with_pointer("/plan"))
}

/// Whether there is one of that name.
pub(crate) async fn is_plan(tx: &mut PlatformTx, name: &str) -> Result<bool, PgError> {
    store::exists(tx, name).await
}

fn plan(row: Row) -> wire::Plan {
    wire::Plan {
        name: row.name,
        description: row.description,
        limits: limits::stored(&row.limits).collect(),
        changed_at: Some(timestamp(row.changed_at)),
        changed_by: row.changed_by,
    }
}
