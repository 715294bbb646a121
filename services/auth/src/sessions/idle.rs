use std::sync::Arc;
use std::time::Duration as Patience;

use time::Duration;
use yard_fault::Fault;
use yard_ids::Clock;
use yard_pg::{Actor, Pg, PlatformTx};
use yard_runtime::{Runtime, TaskKind};

use super::own_store;
use crate::feed::Nudge;

/// How often it looks.
const LOOK: Patience = Patience::from_secs(5);
/// Sessions in one transaction.
const BATCH: u16 = 500;

/// Ends sessions that nobody uses, so that everybody is told and their sockets close. At its
/// exchange such a session is refused without it.
pub(crate) fn start(pg: &Pg, idle: Duration, nudge: &Nudge, runtime: &Runtime) {
    let (pg, clock, nudge) = (pg.clone(), runtime.clock(), nudge.clone());
    let soft = runtime.shutdown().soft().clone();
    runtime.tasks().spawn(TaskKind::Background, "idle sessions", async move {
        soft.run_until_cancelled(work(pg, clock, idle, nudge)).await;
        Ok(())
    });
}

async fn work(pg: Pg, clock: Arc<dyn Clock>, idle: Duration, nudge: Nudge) {
    loop {
        match round(&pg, &*clock, idle).await {
            Ok(0) => {}
            Ok(ended) => {
                nudge.now();
                if ended >= u64::from(BATCH) {
                    continue;
                }
            }
            Err(fault) => {
                let (code, problem) = (fault.code().as_str(), fault.inside());
                tracing::warn!(code, problem, "idle sessions could not be ended; trying again");
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn round(pg: &Pg, clock: &dyn Clock, idle: Duration) -> Result<u64, Fault> {
    let now = clock.now();
    let mut tx = PlatformTx::begin(pg, &Actor::service("auth")).await?;
    let ended = own_store::end_idle(&mut tx, now - idle, now, BATCH.into()).await?;
    tx.commit().await?;
    Ok(ended)
}
