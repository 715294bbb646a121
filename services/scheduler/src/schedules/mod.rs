//! Schedules, and the ledger of their fires.

mod builtin;
mod grpc;
mod metrics;
mod plan;
mod store;
mod tick;

pub(crate) use grpc::ScheduleApi;
pub(crate) use tick::Ticker;
