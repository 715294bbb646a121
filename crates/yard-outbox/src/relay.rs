use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use yard_contracts::streams;
use yard_ids::Clock;
use yard_messaging::{MessagingError, Nats, Outgoing};
use yard_pg::outbox::{self, Entry, Outbox};
use yard_pg::{Actor, Pg, PgError, PlatformTx};
use yard_runtime::Runtime;

const BATCH: i64 = 500;
/// Without a nudge the relay looks this often: another instance may have written.
const IDLE: Duration = Duration::from_millis(250);
/// A batch that takes longer is given up and begun anew: its rows are locked meanwhile, and whatever
/// was published of it is known by its id.
const BATCH_WITHIN: Duration = Duration::from_secs(10);
const LOSS_CHECK: Duration = Duration::from_secs(15);
/// Sent rows are kept this long, so that a broker that lost its last minutes can be given them.
const KEEP: Duration = Duration::from_secs(15 * 60);

#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("outbox: {0}")]
    Database(#[from] PgError),
    #[error("outbox: {0}")]
    Broker(#[from] MessagingError),
    #[error("outbox: a batch was not done in time")]
    Late(#[from] tokio::time::error::Elapsed),
}

/// The relay of one outbox.
pub struct Relay {
    pg: Pg,
    nats: Nats,
    outbox: Outbox,
    nudge: Arc<Notify>,
    clock: Arc<dyn Clock>,
}

impl Relay {
    /// `nudge` is notified after a commit that wrote an entry.
    #[must_use]
    pub fn new(runtime: &Runtime, pg: Pg, nats: Nats, outbox: Outbox, nudge: Arc<Notify>) -> Self {
        Self { pg, nats, outbox, nudge, clock: runtime.clock() }
    }

    /// Runs until `stop`. Any number of instances may; rows are locked while they are sent.
    ///
    /// # Errors
    /// Never by a passing fault; the return type fits a task.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut check = tokio::time::interval(LOSS_CHECK);
        while !stop.is_cancelled() {
            let batch = tokio::time::timeout(BATCH_WITHIN, self.send_batch());
            match batch.await.unwrap_or_else(|late| Err(late.into())) {
                Ok(sent) if i64::try_from(sent) == Ok(BATCH) => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(error = %error, "outbox waits"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.nudge.notified() => {}
                () = tokio::time::sleep(IDLE) => {}
                _ = check.tick() => self.look_for_losses().await,
            }
        }
        Ok(())
    }

    async fn send_batch(&self) -> Result<usize, RelayError> {
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("outbox")).await?;
        let entries = outbox::claim(&mut tx, self.outbox, BATCH).await?;
        if entries.is_empty() {
            return Ok(0);
        }
        let mut pending = Vec::with_capacity(entries.len());
        for entry in &entries {
            pending.push(self.nats.publish(&outgoing(entry)).await?);
        }
        let mut sequences = Vec::with_capacity(entries.len());
        for ack in pending {
            sequences.push(i64::try_from(ack.confirmed().await?).unwrap_or(i64::MAX));
        }
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        outbox::mark_sent(&mut tx, self.outbox, &ids, &sequences, self.clock.now()).await?;
        tx.commit().await?;
        metrics::counter!("yard_outbox_sent_total").increment(ids.len() as u64);
        Ok(ids.len())
    }

    async fn look_for_losses(&self) {
        let outcome = async {
            let again = self.resend_lost().await?;
            if again > 0 {
                metrics::counter!("yard_outbox_resent_total").increment(again);
                tracing::warn!(again, "broker lost messages; they are sent again");
            }
            let before: OffsetDateTime = self.clock.now() - KEEP;
            outbox::prune(&self.pg, self.outbox, before).await?;
            Ok::<_, RelayError>(())
        };
        if let Err(error) = outcome.await {
            tracing::warn!(error = %error, "outbox not checked");
        }
    }

    /// A stream whose last sequence lies below what it once confirmed has lost messages.
    async fn resend_lost(&self) -> Result<u64, RelayError> {
        let mut again = 0;
        for (name, prefix) in prefixes() {
            let info = self.nats.jetstream().get_stream(name).await.map_err(|e| {
                MessagingError::SetUp { what: format!("stream {name}"), source: Box::new(e) }
            })?;
            let last = i64::try_from(info.cached_info().state.last_sequence).unwrap_or(i64::MAX);
            again += outbox::resend_above(&self.pg, self.outbox, prefix, last).await?;
        }
        Ok(again)
    }
}

/// Streams that outbox entries go to, by the start of their subjects.
fn prefixes() -> HashMap<&'static str, &'static str> {
    [streams::COMMANDS, streams::EVENTS, streams::JOBS, streams::AUDIT]
        .iter()
        .filter_map(|spec| Some((spec.name, spec.subjects.first()?.strip_suffix('>')?)))
        .collect()
}

fn outgoing(entry: &Entry) -> Outgoing {
    Outgoing {
        subject: entry.subject.clone(),
        id: entry.id,
        payload: entry.payload.clone().into(),
        traceparent: entry.traceparent.clone(),
    }
}
