//! Commands to devices: stored before they are answered, followed to one terminal state.
//!
//! The row is the record. The stream and the broker only carry; whatever they lose is sent again
//! from the row when the device comes online, until the deadline.

mod deadlines;
mod dispatch;
mod grpc;
mod live;
mod machine;
mod redispatch;
mod reports;
mod store;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::Notify;
use yard_pg::Pg;

pub(crate) use deadlines::Deadlines;
pub(crate) use dispatch::Dispatcher;
pub(crate) use grpc::Commands;
pub(crate) use machine::{DeviceWord, State, Step};
pub(crate) use redispatch::Redispatch;
pub(crate) use reports::CommandReports;

/// What every part of this domain uses.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) pg: Pg,
    pub(crate) nats: yard_messaging::Nats,
    pub(crate) clock: Arc<dyn yard_ids::Clock>,
    pub(crate) ids: Arc<dyn yard_ids::IdSource>,
    /// Wakes the outbox relay.
    pub(crate) nudge: Arc<Notify>,
}
