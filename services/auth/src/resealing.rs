//! Secrets in rows stay sealed by the key in force: auth refuses to start without a key that one of
//! them needs, and seals anew what an older key sealed.

use std::future::Future;
use std::time::Duration;

use uuid::Uuid;
use yard_authn::seal::Sealer;
use yard_fault::Fault;
use yard_pg::{Actor, Pg, PgError, PlatformTx};
use yard_runtime::{Runtime, TaskKind};

const LOOK: Duration = Duration::from_secs(300);
/// Secrets that are sealed anew in one transaction.
const MOST: i64 = 200;

/// Rows of one kind with a secret each, sealed for a purpose and bound to the row's id.
pub(crate) trait SealedRows: Send + Sync + 'static {
    /// What they are sealed for.
    const PURPOSE: &'static str;
    /// Name of the task that looks after them.
    const TASK: &'static str;

    /// Ids of the keys that they are sealed with.
    fn kids(tx: &mut PlatformTx) -> impl Future<Output = Result<Vec<String>, PgError>> + Send;

    /// Those that another key than `kid` seals, at most so many, locked.
    fn sealed_before(
        tx: &mut PlatformTx,
        kid: &str,
        most: i64,
    ) -> impl Future<Output = Result<Vec<(Uuid, Vec<u8>)>, PgError>> + Send;

    /// Puts a row's secret, sealed anew, into the place of the one before.
    fn replace(
        tx: &mut PlatformTx,
        id: Uuid,
        sealed: &[u8],
    ) -> impl Future<Output = Result<(), PgError>> + Send;
}

/// Looks whether every key is there, and begins to seal anew.
///
/// # Errors
/// Names the option and the missing key.
pub(crate) async fn start<R: SealedRows>(
    pg: &Pg,
    sealer: &Sealer,
    runtime: &Runtime,
) -> anyhow::Result<()> {
    let mut tx = PlatformTx::begin(pg, &Actor::service("auth")).await?;
    let kids = R::kids(&mut tx).await?;
    tx.commit().await?;
    sealer.require(kids.iter().map(String::as_str))?;
    let (pg, sealer, soft) = (pg.clone(), sealer.clone(), runtime.shutdown().soft().clone());
    runtime.tasks().spawn(TaskKind::Background, R::TASK, async move {
        soft.run_until_cancelled(work::<R>(pg, sealer)).await;
        Ok(())
    });
    Ok(())
}

async fn work<R: SealedRows>(pg: Pg, sealer: Sealer) {
    loop {
        if let Err(fault) = reseal_all::<R>(&pg, &sealer).await {
            let (code, problem) = (fault.code().as_str(), fault.inside());
            tracing::warn!(code, problem, "secrets could not be sealed anew; trying again");
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn reseal_all<R: SealedRows>(pg: &Pg, sealer: &Sealer) -> Result<(), Fault> {
    loop {
        let mut tx = PlatformTx::begin(pg, &Actor::service("auth")).await?;
        let old = R::sealed_before(&mut tx, &sealer.active(), MOST).await?;
        if old.is_empty() {
            return Ok(());
        }
        for (id, sealed) in old {
            if let Some(anew) = sealer.reseal(R::PURPOSE, id.as_bytes(), &sealed)? {
                R::replace(&mut tx, id, &anew).await?;
            }
        }
        tx.commit().await?;
    }
}
