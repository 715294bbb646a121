//! The batch writer: stream → committed rows → acknowledgement, receipts and live events.
//!
//! A batch is one transaction. Whatever the database refuses for its values is searched out by
//! halving, so that it alone goes to the dead letters; whatever fails for want of a database waits.

mod batch;
mod gate;
mod live;
mod metrics;
mod notify;
mod row;
mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use yard_contracts::streams;
use yard_messaging::{ConsumerSpec, Nats, consume};
use yard_pg::Pg;
use yard_runtime::{Runtime, TaskKind};

use crate::WriterConfig;

pub use batch::Writer;

/// Durable name of the stream's one consumer.
pub const CONSUMER: &str = "telemetry-writer";

/// Starts the configured number of writers; they share the consumer and the brake.
pub fn start(rt: &Runtime, pg: &Pg, nats: &Nats, config: &WriterConfig) {
    let shared = Arc::new(batch::Shared::new(config.live_per_second));
    for _ in 0..config.tasks {
        let stop = rt.shutdown().soft().clone();
        let patience = config.ack_wait * 2 / 3;
        let writer = Writer::new(pg, nats, rt, Arc::clone(&shared), patience);
        let task = consume(nats.clone(), spec(config), writer, stop);
        rt.tasks().spawn(TaskKind::Critical, "telemetry writer", task);
    }
}

fn spec(config: &WriterConfig) -> ConsumerSpec {
    ConsumerSpec {
        stream: streams::TELEMETRY.name,
        name: CONSUMER,
        filter: String::new(),
        ack_wait: config.ack_wait,
        max_ack_pending: config.max_ack_pending,
        max_batch: config.max_batch,
    }
}
