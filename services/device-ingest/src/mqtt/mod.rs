//! The link to the broker: one MQTT 5 session that outlives us, a shared subscription, and
//! acknowledgements that only we send.
//!
//! The broker acknowledges a device by itself; what we acknowledge is the broker's own copy. Until
//! then it is kept for us and handed over again after a loss of the connection.

mod ack;
mod backoff;
mod downlink;
mod link;
mod options;
mod session;
mod status;

use rumqttc::Publish;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

pub(crate) use ack::{AckGate, Acknowledgement};
pub(crate) use downlink::{Delivered, Downlink, Refused};
pub(crate) use link::{Link, open};
pub(crate) use status::{LinkState, LinkStatus};

/// A message as the broker handed it over.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) publish: Publish,
    /// Which connection it came by; it can only be acknowledged on that one.
    pub(crate) generation: u64,
    pub(crate) received_at: OffsetDateTime,
}

/// When the link ends.
#[derive(Debug, Clone)]
pub(crate) struct LinkStop {
    /// Hand over nothing more.
    pub(crate) soft: CancellationToken,
    /// Everything handed over is acknowledged, or will not be: leave the broker.
    pub(crate) drained: CancellationToken,
}
