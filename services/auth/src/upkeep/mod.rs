//! Takes out what is over: ended sessions, used codes and links, old mails. What has to be kept for
//! longer is in the audit trail.

mod store;

use std::sync::Arc;
use std::time::Duration;

use time::Duration as Span;
use yard_fault::Fault;
use yard_ids::Clock;
use yard_pg::{Actor, Pg, PlatformTx};
use yard_runtime::{Runtime, TaskKind};

use crate::{registration, telemetry};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(60);
/// How long what is over stays to be looked at.
const KEPT: Span = Span::days(30);
/// How long invitations stay, which people see in a list.
const INVITATIONS_KEPT: Span = Span::days(90);
/// Rows of one kind at a time: nobody waits long for a lock.
const MOST: i64 = 1_000;

/// Begins to look. Any number of instances may.
pub(crate) fn start(pg: &Pg, runtime: &Runtime) {
    let this = Upkeep { pg: pg.clone(), clock: runtime.clock() };
    let soft = runtime.shutdown().soft().clone();
    runtime.tasks().spawn(TaskKind::Background, "upkeep", async move {
        soft.run_until_cancelled(this.work()).await;
        Ok(())
    });
}

struct Upkeep {
    pg: Pg,
    clock: Arc<dyn Clock>,
}

impl Upkeep {
    async fn work(self) {
        loop {
            match self.round().await {
                // There is more than one round takes.
                Ok(true) => continue,
                Ok(false) => {}
                Err(fault) => {
                    let (code, problem) = (fault.code().as_str(), fault.inside());
                    tracing::warn!(code, problem, "what is over could not be taken out yet");
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Whether there may be more.
    async fn round(&self) -> Result<bool, Fault> {
        let now = self.clock.now();
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("auth")).await?;
        store::begin_upkeep(&mut tx).await?;
        let before = now - KEPT;
        let gone = [
            ("session", store::sessions(&mut tx, before, MOST).await?),
            ("claim_code", store::claim_codes(&mut tx, before, MOST).await?),
            ("link", store::links(&mut tx, before, MOST).await?),
            ("email_change", store::email_changes(&mut tx, before, MOST).await?),
            ("federated_sign_in", store::federated_sign_ins(&mut tx, before, MOST).await?),
            ("mail", store::mails(&mut tx, before, MOST).await?),
            ("invitation", store::invitations(&mut tx, now - INVITATIONS_KEPT, MOST).await?),
            // What strangers typed stays no longer than its link.
            ("registration", registration::take_out(&mut tx, now, MOST).await?),
        ];
        tx.commit().await?;
        for (kind, count) in gone {
            telemetry::taken_out(kind, count);
        }
        Ok(gone.iter().any(|(_, count)| i64::try_from(*count) == Ok(MOST)))
    }
}
