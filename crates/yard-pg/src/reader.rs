//! Reading from a streaming replica, as long as it is not too far behind.
//!
//! The scheduler writes the time into one row each second. How old the beat is that the replica has
//! says how far behind it is; both times are the writer's clock, carried over by this process' own
//! monotonic one. A replica that was cut off from the writer looks current to itself, but not here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgPool;
use sqlx::{PgConnection, Postgres, Transaction};
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::PgError;

/// How often the writer's time and the replica's beat are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a look may take; a replica that hangs must not keep requests.
const PATIENCE: Duration = Duration::from_secs(2);

/// The writer's clock as it was at a moment of ours.
#[derive(Debug, Clone, Copy)]
struct Reference {
    at: Instant,
    writer: OffsetDateTime,
}

impl Reference {
    /// The age of a beat by the writer's clock, now.
    fn age(&self, beat: OffsetDateTime) -> Duration {
        let now = self.writer + self.at.elapsed();
        Duration::try_from(now - beat).unwrap_or_default()
    }
}

/// What the last look found.
#[derive(Debug, Default)]
struct Seen {
    reference: Option<Reference>,
    /// Whether a request may try the replica.
    usable: bool,
}

/// The second pool.
#[derive(Debug)]
pub(crate) struct Reader {
    pool: PgPool,
    max_lag: Duration,
    seen: Mutex<Seen>,
}

impl Reader {
    pub(crate) fn new(pool: PgPool, max_lag: Duration) -> Arc<Self> {
        Arc::new(Self { pool, max_lag, seen: Mutex::default() })
    }

    pub(crate) const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A transaction on the replica that only reads, if the replica is current enough.
    pub(crate) async fn begin(&self) -> Option<Transaction<'static, Postgres>> {
        let reference = {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.reference.filter(|_| seen.usable)
        };
        let Some(reference) = reference else {
            return self.refuse("stale");
        };
        match tokio::time::timeout(PATIENCE, self.try_begin()).await {
            Ok(Ok((tx, beat))) if reference.age(beat) <= self.max_lag => Some(tx),
            Ok(Ok(_)) => self.refuse("stale"),
            Ok(Err(_)) | Err(_) => self.refuse("unreachable"),
        }
    }

    /// Until the next look nobody tries again.
    fn refuse<T>(&self, reason: &'static str) -> Option<T> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).usable = false;
        metrics::counter!("yard_pg_reader_fallbacks_total", "reason" => reason).increment(1);
        None
    }

    #[expect(clippy::disallowed_methods, reason = "the doors themselves begin here")]
    async fn try_begin(&self) -> Result<(Transaction<'static, Postgres>, OffsetDateTime), PgError> {
        let mut tx = self.pool.begin().await?;
        read_only(&mut tx).await?;
        let beat = beat(&mut tx).await?;
        Ok((tx, beat))
    }

    /// Looks until `stop`, with connections to the writer from `writer`.
    pub(crate) async fn watch(self: Arc<Self>, writer: PgPool, stop: CancellationToken) {
        let mut usable = None;
        let look = async {
            loop {
                let found = self.look(&writer).await;
                if usable.replace(found.is_some()) != Some(found.is_some()) {
                    match found {
                        Some(_) => tracing::info!("reading from the replica"),
                        None => {
                            tracing::info!("reading from the writer: the replica is not current")
                        }
                    }
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        stop.run_until_cancelled(look).await;
    }

    /// How far behind the replica is, if it is within the bound.
    async fn look(&self, writer: &PgPool) -> Option<Duration> {
        let reference = match tokio::time::timeout(PATIENCE, writer_clock(writer)).await {
            Ok(Ok(reference)) => Some(reference),
            // The last one goes on by our own clock.
            _ => self.seen.lock().unwrap_or_else(PoisonError::into_inner).reference,
        };
        let beat = match tokio::time::timeout(PATIENCE, self.try_begin()).await {
            Ok(Ok((_tx, beat))) => Some(beat),
            _ => None,
        };
        let lag = reference.zip(beat).map(|(reference, beat)| reference.age(beat));
        metrics::gauge!("yard_pg_reader_lag_seconds")
            .set(lag.map_or(f64::INFINITY, |lag| lag.as_secs_f64()));
        let lag = lag.filter(|lag| *lag <= self.max_lag);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.reference, seen.usable) = (reference, lag.is_some());
        lag
    }
}

/// For a transaction that has not asked anything yet.
pub(crate) async fn read_only(tx: &mut PgConnection) -> Result<(), PgError> {
    sqlx::query("set transaction read only").execute(tx).await?;
    Ok(())
}

async fn beat(tx: &mut PgConnection) -> Result<OffsetDateTime, PgError> {
    // Before the first beat the time is not one that fits; then it is as old as can be.
    let beat: OffsetDateTime = sqlx::query_scalar(
        "select greatest(beat_at, 'epoch'::timestamptz) from platform.heartbeat",
    )
    .fetch_one(tx)
    .await?;
    Ok(beat)
}

async fn writer_clock(pool: &PgPool) -> Result<Reference, PgError> {
    let sent = Instant::now();
    let writer = sqlx::query_scalar("select clock_timestamp()").fetch_one(pool).await?;
    // Read later than sent: the age is rather over- than underestimated.
    Ok(Reference { at: sent, writer })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn beat_grows_older_with_our_own_clock() {
        let reference =
            Reference { at: Instant::now(), writer: datetime!(2026-11-30 12:00:03 UTC) };
        let beat = datetime!(2026-11-30 12:00 UTC);
        assert_eq!(reference.age(beat), Duration::from_secs(3));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(reference.age(beat), Duration::from_secs(7));
        let newer = datetime!(2026-11-30 12:00:06 UTC);
        assert_eq!(reference.age(newer), Duration::from_secs(1));
        let ahead = datetime!(2026-11-30 12:00:09 UTC);
        assert_eq!(reference.age(ahead), Duration::ZERO);
    }
}
