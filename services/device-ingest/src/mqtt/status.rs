use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// How far the link is. The number is the value of the gauge `yard_mqtt_link_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum LinkState {
    /// Not connected; waiting before the next attempt.
    Down = 0,
    /// Connecting, or waiting for CONNACK.
    Connecting = 1,
    /// Connected; the subscriptions are not confirmed yet.
    Subscribing = 2,
    /// Messages flow.
    Ready = 3,
}

/// The link's state as everybody may read it.
#[derive(Debug, Clone, Default)]
pub(crate) struct LinkStatus(Arc<AtomicU8>);

impl LinkStatus {
    pub(super) fn set(&self, state: LinkState) {
        self.0.store(state as u8, Ordering::Release);
        metrics::gauge!("yard_mqtt_link_state").set(f64::from(state as u8));
    }

    /// Whether a publish can reach the broker now.
    pub(crate) fn is_connected(&self) -> bool {
        self.0.load(Ordering::Acquire) >= LinkState::Subscribing as u8
    }

    /// Whether messages flow.
    pub(crate) fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire) == LinkState::Ready as u8
    }
}
