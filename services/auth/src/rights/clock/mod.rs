//! What time changes: assignments begin and end, overrides and entries by break-glass expire. Tokens
//! end by themselves then; this tells the feed, so that sockets end too, and keeps the rows' states.

use std::time::Duration;

use yard_fault::Fault;
use yard_pg::{Actor, PlatformTx};

use super::Rights;

mod store;

/// How often it looks.
const EVERY: Duration = Duration::from_millis(500);
/// Rows of one kind in one transaction.
const BATCH: i64 = 500;

/// Looks until it is stopped. Any number of instances may.
pub(super) async fn watch(rights: Rights) {
    loop {
        match round(&rights).await {
            Ok(true) => rights.nudge.now(),
            Ok(false) => tokio::time::sleep(EVERY).await,
            Err(fault) => {
                let (code, problem) = (fault.code().as_str(), fault.inside());
                tracing::warn!(code, problem, "rights that begin or end are told later");
                tokio::time::sleep(EVERY).await;
            }
        }
    }
}

/// Whether something was due.
async fn round(rights: &Rights) -> Result<bool, Fault> {
    let now = rights.clock.now();
    let mut tx = PlatformTx::begin(&rights.pg, &Actor::service("auth")).await?;
    let due = store::begin_assignments(&mut tx, now, BATCH).await?
        + store::end_assignments(&mut tx, now, BATCH).await?
        + store::expire_overrides(&mut tx, now, BATCH).await?
        + store::end_break_glass(&mut tx, now, BATCH).await?;
    tx.commit().await?;
    Ok(due > 0)
}
