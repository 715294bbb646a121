//! Publishes what stands in a service's outbox, and again what the broker lost.
//!
//! It stands between `yard-pg`, which writes the rows, and `yard-messaging`, which knows of no
//! database: the gateway speaks to the broker too, and has no SQL among its dependencies.

mod audit;
mod relay;

pub use audit::audit_trail;
pub use relay::Relay;
