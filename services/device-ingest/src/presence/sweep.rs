use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use yard_contracts::job::v1::JobRequest;
use yard_fault::{Code, Fault};
use yard_ids::Clock;
use yard_messaging::{BatchHandler, Delivery, Nats, Outcome};
use yard_pg::{Actor, Pg, PlatformTx};

use super::{Heard, announce, store};
use crate::SERVICE;

/// The job's kind; the first is what schedules use.
const KINDS: [&str; 2] = ["presence-sweep", "presence_sweep"];

/// Handles jobs of the queue `ingest`.
pub(crate) struct Sweeps {
    pub(crate) pg: Pg,
    pub(crate) nats: Nats,
    pub(crate) heard: Heard,
    pub(crate) lease: Duration,
    pub(crate) clock: Arc<dyn Clock>,
}

impl BatchHandler for Sweeps {
    async fn handle(&mut self, batch: &[Delivery]) -> Vec<Outcome> {
        // Several wishes for the same sweep are one sweep.
        let known = |delivery: &Delivery| {
            let job = JobRequest::decode(delivery.payload.clone());
            job.is_ok_and(|job| KINDS.contains(&job.kind.as_str()))
        };
        let swept = if batch.iter().any(known) { self.sweep().await } else { Ok(()) };
        let outcome = |delivery: &Delivery| match (&swept, known(delivery)) {
            (_, false) => Outcome::Failed(Code::JobKindUnknown.into()),
            (Ok(()), true) => Outcome::Done,
            (Err(fault), true) => {
                Outcome::Failed(Fault::new(fault.code()).with_detail(fault.inside()))
            }
        };
        batch.iter().map(outcome).collect()
    }
}

impl Sweeps {
    async fn sweep(&self) -> Result<(), Fault> {
        // What this instance heard and has not written down would look like silence.
        self.heard.flush(&self.pg, &self.nats).await?;
        let now = self.clock.now();
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service(SERVICE)).await?;
        let changes = store::mark_stale(&mut tx, now - self.lease * 2, now).await?;
        tx.commit().await?;
        if !changes.is_empty() {
            tracing::info!(devices = changes.len(), "devices fell silent");
        }
        for change in changes {
            announce(&self.nats, change).await;
        }
        Ok(())
    }
}
