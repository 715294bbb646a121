//! Calls tenants' webhooks: stream → signed POST → acknowledgement.
//!
//! comms-websocket has written and signed the body; nothing of it is changed here. A receiver that
//! does not answer with 2xx is called again for minutes and holds up nobody else; then the call goes to
//! the dead letters. A call may come twice, with the same ids of its events.

mod backlog;
mod call;
mod caller;
mod lanes;

use yard_contracts::streams;
use yard_messaging::{ConsumerSpec, Nats, consume_each};
use yard_runtime::{Runtime, TaskKind};

use crate::Config;
use caller::Caller;

/// Durable name of the stream's one consumer.
pub(crate) const CONSUMER: &str = "webhooks";
/// Calls that this worker has and has no place for yet.
const MOST_AHEAD: usize = 16;
/// Calls under way or waiting to be tried again, over all workers.
const MOST_PENDING: i64 = 100_000;

/// Starts to call.
///
/// # Errors
/// When the configured networks or certificates cannot be used.
pub(crate) fn start(rt: &Runtime, nats: &Nats, config: &Config) -> anyhow::Result<()> {
    let (environment, config) = (&config.runtime.environment, &config.webhooks);
    let caller = Caller::new(config, environment, rt)?;
    let spec = ConsumerSpec {
        stream: streams::WEBHOOKS.name,
        name: CONSUMER,
        filter: String::new(),
        ack_wait: config.ack_wait,
        max_ack_pending: MOST_PENDING,
        max_batch: MOST_AHEAD,
    };
    let soft = rt.shutdown().soft().clone();
    let task = consume_each(nats.clone(), spec, config.calls, caller, soft);
    rt.tasks().spawn(TaskKind::Critical, "webhooks", task);
    Ok(())
}
