use std::time::Duration;

use async_nats::jetstream::kv::Store;
use futures::future::try_join_all;
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;
use yard_authn::revocations::{HEARTBEAT, KEY_SET};
use yard_contracts::streams;
use yard_messaging::Nats;
use yard_pg::{Actor, Pg, PlatformTx};

use super::{Nudge, store};
use crate::keys::Keys;
use crate::telemetry;

const BATCH: i64 = 500;
/// Without a nudge the table is looked at this often: another instance, or a person at the
/// database, may have written.
const IDLE: Duration = Duration::from_millis(100);
/// Followers begin to doubt after 30 seconds of silence.
const BEAT: Duration = Duration::from_secs(5);
/// How often it is made sure that the broker still has everything.
const CHECK: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(500);
/// As long as the feed keeps an entry; rows are kept twice as long.
#[expect(clippy::cast_precision_loss, reason = "an hour is a small number")]
const KEPT_SECONDS: f64 = streams::REVOCATIONS.max_age_seconds as f64;

/// Carries rows to the feed, beats, and repeats the key set. Any number of instances may.
pub(crate) struct Publisher {
    pg: Pg,
    nats: Nats,
    keys: Keys,
    nudge: Nudge,
    stop: CancellationToken,
}

/// What the broker had when it was last looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Seen {
    made: time::OffsetDateTime,
    last: u64,
}

impl Publisher {
    pub(crate) const fn new(
        pg: Pg,
        nats: Nats,
        keys: Keys,
        nudge: Nudge,
        stop: CancellationToken,
    ) -> Self {
        Self { pg, nats, keys, nudge, stop }
    }

    /// Runs until the stop.
    ///
    /// # Errors
    /// Never by a passing fault; the return type fits a task.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let stop = self.stop.clone();
        while !stop.is_cancelled() {
            if let Some(Err(error)) = stop.run_until_cancelled(Box::pin(self.publish())).await {
                telemetry::feed_failure();
                tracing::warn!(error = %format!("{error:#}"), "revocation feed waits");
                stop.run_until_cancelled(sleep(PAUSE)).await;
            }
        }
        Ok(())
    }

    async fn publish(&self) -> anyhow::Result<()> {
        let bucket = self.nats.bucket(&streams::REVOCATIONS).await?;
        // A start sends the last hour again: what was lost while nobody looked is there after.
        self.send_again(0).await?;
        let mut seen = self.look().await?;
        let (mut beat, mut check) = (interval(BEAT), interval(CHECK));
        let mut stated = None;
        loop {
            while self.send(&bucket).await? == BATCH.unsigned_abs() {}
            stated = self.state_keys(&bucket, stated).await?;
            tokio::select! {
                () = self.nudge.came() => {}
                () = sleep(IDLE) => {}
                _ = beat.tick() => self.beat(&bucket).await?,
                _ = check.tick() => seen = self.look_for_losses(seen).await?,
            }
        }
    }

    /// Sends what waits; says how many. Until the last one is confirmed nothing is marked.
    async fn send(&self, bucket: &Store) -> anyhow::Result<u64> {
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("feed")).await?;
        let rows = store::take(&mut tx, BATCH).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let sends = rows.iter().map(|row| async move {
            let Some(what) = row.what() else {
                tracing::error!(id = row.id, "a revocation names nothing");
                return Ok(0);
            };
            bucket.put(what.key(), row.effective_ms.to_string().into()).await
        });
        let sequences = try_join_all(sends).await?;
        let sequences: Vec<i64> = sequences.into_iter().map(signed).collect();
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        store::mark(&mut tx, &ids, &sequences).await?;
        tx.commit().await?;
        telemetry::feed_published(ids.len());
        Ok(ids.len() as u64)
    }

    async fn beat(&self, bucket: &Store) -> anyhow::Result<()> {
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("feed")).await?;
        let now = store::now_ms(&mut tx).await?;
        store::prune(&mut tx, 2.0 * KEPT_SECONDS).await?;
        tx.commit().await?;
        bucket.put(HEARTBEAT, now.to_string().into()).await?;
        Ok(())
    }

    /// States the keys when they have changed, and every minute so that no statement grows old.
    async fn state_keys(
        &self,
        bucket: &Store,
        last: Option<(i64, Instant)>,
    ) -> anyhow::Result<Option<(i64, Instant)>> {
        let generation = self.keys.generation();
        let fresh = |at: &Instant| at.elapsed() < Duration::from_secs(60);
        if last.is_some_and(|(known, at)| known == generation && fresh(&at)) {
            return Ok(last);
        }
        bucket.put(KEY_SET, self.keys.statement()?.into()).await?;
        Ok(Some((generation, Instant::now())))
    }

    async fn look(&self) -> anyhow::Result<Seen> {
        let name = format!("KV_{}", streams::REVOCATIONS.name);
        let stream = self.nats.jetstream().get_stream(name).await?;
        let info = stream.cached_info();
        Ok(Seen { made: info.created, last: info.state.last_sequence })
    }

    /// A bucket that is another one, or that ends before where it once ended, has lost entries.
    async fn look_for_losses(&self, before: Seen) -> anyhow::Result<Seen> {
        let now = match self.look().await {
            Ok(now) => now,
            // Taken away while we run: opening it makes it anew.
            Err(error) => return Err(error.context("look at the bucket")),
        };
        let above = if now.made == before.made { signed(now.last) } else { 0 };
        if now.made != before.made || now.last < before.last {
            self.send_again(above).await?;
        }
        Ok(now)
    }

    async fn send_again(&self, above: i64) -> anyhow::Result<()> {
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("feed")).await?;
        let again = store::send_again(&mut tx, above, KEPT_SECONDS).await?;
        tx.commit().await?;
        if again > 0 {
            tracing::info!(again, "revocations are sent again");
        }
        Ok(())
    }
}

fn signed(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}
