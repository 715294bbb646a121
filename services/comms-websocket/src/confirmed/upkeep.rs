use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use yard_ids::Clock;
use yard_pg::{Pg, PgError, PlatformTx};

use super::config::ConfirmedConfig;
use super::{actor, store, telemetry};

/// How often old messages are looked for.
const CLEARING: Duration = Duration::from_secs(300);
/// Rows of one transaction.
const MOST: i64 = 500;

/// Expires what was not acknowledged in time, and deletes what is old. Every instance does it, side by
/// side.
pub(super) async fn run(config: ConfirmedConfig, pg: Pg, clock: Arc<dyn Clock>) {
    let (mut cleared, mut away) = (None, false);
    loop {
        sleep(config.look).await;
        let clears = cleared.is_none_or(|at: Instant| at.elapsed() >= CLEARING);
        let done = async {
            expire(&pg, clock.as_ref()).await?;
            if clears {
                clear(&pg, config, clock.as_ref()).await?;
            }
            Ok::<(), PgError>(())
        };
        match done.await {
            Ok(()) => {
                away = false;
                if clears {
                    cleared = Some(Instant::now());
                }
            }
            Err(error) => {
                if !away {
                    tracing::info!(error = %error, "messages that are over wait for the database");
                }
                away = true;
            }
        }
    }
}

async fn expire(pg: &Pg, clock: &dyn Clock) -> Result<(), PgError> {
    loop {
        let mut tx = PlatformTx::begin(pg, &actor()).await?;
        let count = store::expire(&mut tx, clock.now(), MOST).await?;
        tx.commit().await?;
        if count > 0 {
            telemetry::receipts("expired", count);
        }
        if count < MOST.unsigned_abs() {
            return Ok(());
        }
    }
}

async fn clear(pg: &Pg, config: ConfirmedConfig, clock: &dyn Clock) -> Result<(), PgError> {
    let before = clock.now() - config.keep;
    loop {
        let mut tx = PlatformTx::begin(pg, &actor()).await?;
        let messages = store::clear(&mut tx, before, MOST).await?;
        let sequences = store::clear_sequences(&mut tx, before, MOST).await?;
        tx.commit().await?;
        if messages.max(sequences) < MOST.unsigned_abs() {
            return Ok(());
        }
    }
}
