//! The beat by which everybody sees how far behind a replica is. Every instance beats, leading or
//! not: a change of leader must not make a replica look stale.

mod store;

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use yard_pg::{Actor, Pg, PgError, PlatformTx};

const BEAT: Duration = Duration::from_secs(1);

/// Beats until `stop`.
///
/// # Errors
/// Never; the return type fits a task.
pub(crate) async fn run(pg: Pg, stop: CancellationToken) -> anyhow::Result<()> {
    let mut second = tokio::time::interval(BEAT);
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(second.tick()).await.is_some() {
        // The leader's tick tells of a database that does not answer; readers see the beat's age.
        if let Err(error) = beat(&pg).await {
            tracing::debug!(error = %error, "no beat");
        }
    }
    Ok(())
}

async fn beat(pg: &Pg) -> Result<(), PgError> {
    let mut tx = PlatformTx::begin(pg, &Actor::service("scheduler")).await?;
    store::beat(&mut tx).await?;
    tx.commit().await
}
