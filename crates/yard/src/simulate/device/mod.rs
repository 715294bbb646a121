//! One simulated device: a machine with a memory, behind one long-lived MQTT connection.

mod conversation;
mod link;
mod machine;
mod outbox;
mod source;
mod task;
mod wire;

pub(super) use link::TlsTrust;
pub(super) use source::Source;
pub(super) use task::{Device, Limits, Phase};

pub(super) use machine::Machine;
