//! JetStream and core NATS as the services use them.
//!
//! Publishing returns only after JetStream's own acknowledgement. Consuming hands over batches and
//! acknowledges what the handler says; what cannot be handled goes to the dead letters with its
//! reason. Neither side trusts the broker's memory: ids and the database do the deduplication.

mod audit;
mod config;
mod connect;
mod consume;
mod dead_letter;
mod each;
mod error;
mod publish;
mod streams;

pub use audit::audit_message;
pub use config::NatsConfig;
pub use connect::Nats;
pub use consume::{BatchHandler, ConsumerSpec, Delivery, Outcome, consume};
pub use each::{EachHandler, consume_each};
pub use error::MessagingError;
pub use publish::{Outgoing, PendingAck};

/// Header with the message's id; also JetStream's own deduplication header.
pub const MESSAGE_ID: &str = "Nats-Msg-Id";
