mod store;

use std::time::Duration;

use yard_authn::seal::Sealer;
use yard_fault::Fault;
use yard_pg::{Actor, Pg, PlatformTx};
use yard_runtime::{Runtime, TaskKind};

use super::settings::SECRET;

const LOOK: Duration = Duration::from_secs(300);
/// Secrets that are sealed anew in one transaction.
const MOST_RESEALED: i64 = 200;

/// Refuses to start without a key that clients' secrets are sealed with, and seals anew what an older
/// key sealed.
///
/// # Errors
/// Names the option and the missing key.
pub(super) async fn start(pg: &Pg, sealer: &Sealer, runtime: &Runtime) -> anyhow::Result<()> {
    let mut tx = PlatformTx::begin(pg, &Actor::service("auth")).await?;
    let kids = store::sealing_kids(&mut tx).await?;
    tx.commit().await?;
    sealer.require(kids.iter().map(String::as_str))?;
    let (pg, sealer, soft) = (pg.clone(), sealer.clone(), runtime.shutdown().soft().clone());
    runtime.tasks().spawn(TaskKind::Background, "identity providers", async move {
        soft.run_until_cancelled(work(pg, sealer)).await;
        Ok(())
    });
    Ok(())
}

async fn work(pg: Pg, sealer: Sealer) {
    loop {
        if let Err(fault) = reseal_all(&pg, &sealer).await {
            let (code, problem) = (fault.code().as_str(), fault.inside());
            tracing::warn!(code, problem, "secrets could not be sealed anew; trying again");
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn reseal_all(pg: &Pg, sealer: &Sealer) -> Result<(), Fault> {
    loop {
        let mut tx = PlatformTx::begin(pg, &Actor::service("auth")).await?;
        let old = store::sealed_before(&mut tx, &sealer.active(), MOST_RESEALED).await?;
        if old.is_empty() {
            return Ok(());
        }
        for (id, sealed) in old {
            if let Some(anew) = sealer.reseal(SECRET, id.as_bytes(), &sealed)? {
                store::reseal(&mut tx, id, &anew).await?;
            }
        }
        tx.commit().await?;
    }
}
