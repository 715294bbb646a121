//! Every queue in one view: what waits in the broker and what waits in the table.

use time::OffsetDateTime;
use yard_contracts::job::v1::Queue;
use yard_contracts::{streams, subjects};
use yard_fault::{Code, Fault};
use yard_messaging::Nats;
use yard_pg::{Actor, Pg, PgError, PlatformTx};

use super::QUEUE;

/// Queues whose wishes are on the stream JOBS.
const JOB_QUEUES: [&str; 2] = [QUEUE, "ingest"];

/// Messages of a kind that wait in the broker or are in flight, and since when the oldest does.
#[derive(Debug, Clone, Copy, Default)]
struct Backlog {
    depth: i64,
    oldest: Option<OffsetDateTime>,
}

impl Backlog {
    fn join(self, other: Self) -> Self {
        let oldest = match (self.oldest, other.oldest) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        };
        Self { depth: self.depth + other.depth, oldest }
    }

    fn queue(self, name: &str, now: OffsetDateTime) -> Queue {
        let age = self.oldest.map_or(0, |oldest| (now - oldest).whole_milliseconds().max(0));
        Queue {
            name: name.to_owned(),
            depth: self.depth,
            oldest_age_ms: i64::try_from(age).unwrap_or(i64::MAX),
        }
    }
}

/// The telemetry writer's queue, then those of jobs.
pub(super) async fn all(pg: &Pg, nats: &Nats, now: OffsetDateTime) -> Result<Vec<Queue>, Fault> {
    let telemetry = streams::TELEMETRY.subjects.first().copied().unwrap_or_default();
    let telemetry = in_stream(nats, streams::TELEMETRY.name, telemetry).await?;
    let mut queues = vec![telemetry.queue("telemetry", now)];
    for name in JOB_QUEUES {
        let wished = in_stream(nats, streams::JOBS.name, &subjects::job(name, ">")).await?;
        queues.push(wished.join(in_table(pg, name).await?).queue(name, now));
    }
    Ok(queues)
}

/// A work queue holds exactly what is not acknowledged: pending and in flight together.
async fn in_stream(nats: &Nats, name: &str, filter: &str) -> Result<Backlog, Fault> {
    use futures::TryStreamExt as _;
    let unavailable = |e: Box<dyn std::error::Error + Send + Sync>| {
        Fault::new(Code::ServiceUnavailable).with_source(e)
    };
    let stream = nats.jetstream().get_stream(name).await.map_err(|e| unavailable(Box::new(e)))?;
    let subjects = stream.info_with_subjects(filter).await.map_err(|e| unavailable(Box::new(e)))?;
    let depth = subjects
        .try_fold(0_i64, |sum, (_subject, count)| async move {
            Ok(sum.saturating_add(i64::try_from(count).unwrap_or(i64::MAX)))
        })
        .await
        .map_err(|e| unavailable(Box::new(e)))?;
    if depth == 0 {
        return Ok(Backlog::default());
    }
    // It may have been acknowledged between the two questions.
    let first = stream.direct_get_next_for_subject(filter, Some(1)).await.ok();
    let oldest = first.and_then(|message| {
        OffsetDateTime::from_unix_timestamp(message.time.unix_timestamp()).ok()
    });
    Ok(Backlog { depth, oldest })
}

async fn in_table(pg: &Pg, queue: &str) -> Result<Backlog, PgError> {
    let mut tx = PlatformTx::begin(pg, &Actor::service("worker")).await?;
    let (depth, oldest) = sqlx::query_as(
        "select count(*), min(requested_at) from platform.jobs \
         where queue = $1 and state in ('available', 'running')",
    )
    .bind(queue)
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Backlog { depth, oldest })
}
