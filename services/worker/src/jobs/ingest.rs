//! Wishes from the stream become rows; the stream is acknowledged after the commit.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use yard_contracts::job::v1::JobRequest;
use yard_contracts::{streams, subjects, values};
use yard_fault::{Code, Fault};
use yard_messaging::{BatchHandler, ConsumerSpec, Delivery, Nats, Outcome};
use yard_pg::Pg;

use super::QUEUE;
use super::kinds::JobKind;
use super::store::{self, NewJob};

/// Durable name of the consumer of the queue's wishes.
pub(super) const CONSUMER: &str = "jobs-default";

/// Runs until `stop`.
pub(crate) async fn consume(
    nats: Nats,
    pg: Pg,
    wake: Arc<Notify>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let spec = ConsumerSpec {
        stream: streams::JOBS.name,
        name: CONSUMER,
        filter: subjects::job(QUEUE, ">"),
        ack_wait: Duration::from_secs(30),
        max_ack_pending: 5_000,
        max_batch: 500,
    };
    yard_messaging::consume(nats, spec, Ingest { pg, wake }, stop).await
}

struct Ingest {
    pg: Pg,
    wake: Arc<Notify>,
}

impl BatchHandler for Ingest {
    async fn handle(&mut self, batch: &[Delivery]) -> Vec<Outcome> {
        let read: Vec<Result<NewJob, Fault>> = batch.iter().map(read).collect();
        let jobs: Vec<NewJob> = read.iter().flatten().cloned().collect();
        let written = store::insert(&self.pg, &jobs).await;
        if written.is_ok() {
            self.wake.notify_one();
        }
        let failed = written.err().map(Fault::from);
        if let Some(fault) = &failed {
            fault.log("", "write down jobs");
        }
        read.into_iter()
            .map(|job| match (job, &failed) {
                (Err(fault), _) => Outcome::Failed(fault),
                (Ok(_), None) => Outcome::Done,
                (Ok(_), Some(_)) => Outcome::Later(Duration::from_secs(2)),
            })
            .collect()
    }
}

/// What it refuses can never be run.
fn read(delivery: &Delivery) -> Result<NewJob, Fault> {
    let malformed = |e: &dyn std::fmt::Display| {
        Fault::new(Code::RequestMalformed).with_detail(format!("job request: {e}"))
    };
    let request = JobRequest::decode(delivery.payload.clone()).map_err(|e| malformed(&e))?;
    let kind = JobKind::of_name(&request.kind)
        .ok_or_else(|| Fault::new(Code::JobKindUnknown).with_detail(request.kind.clone()))?;
    let arguments = match request.arguments_json.as_str() {
        "" => Value::Object(serde_json::Map::new()),
        text => serde_json::from_str(text).map_err(|e| malformed(&e))?,
    };
    let asked_at = request.requested_at.as_ref().and_then(values::moment);
    let requested_at: OffsetDateTime = asked_at.unwrap_or(delivery.published_at);
    Ok(NewJob {
        id: Uuid::try_parse(&request.job_id).map_err(|e| malformed(&e))?,
        kind: kind.name().to_owned(),
        arguments,
        requested_at,
    })
}
