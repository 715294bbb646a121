use std::sync::Arc;

use aws_lc_rs::rand;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::registry::Registry;
use super::standing::Judge;
use crate::api::Api;
use crate::app::Apps;
use crate::config::SocketConfig;
use crate::hub::{Hub, Limits};
use crate::telemetry::Meters;
use crate::ticket::Tickets;
use crate::watch::WatchLists;

/// The library's default of 128 KiB each would be nearly all of a socket's memory.
const READ_BUFFER: usize = 1_024;
const WRITE_BUFFER: usize = 4_096;

/// What all sockets share.
pub(crate) struct Door {
    pub(super) settings: SocketConfig,
    pub(super) apps: Apps,
    pub(super) hub: Hub,
    pub(super) api: Arc<Api>,
    pub(super) meters: Arc<Meters>,
    pub(super) registry: Arc<Registry>,
    pub(super) judge: Judge,
    pub(super) tickets: Tickets,
    pub(super) lists: WatchLists,
}

impl Door {
    pub(crate) fn new(
        settings: SocketConfig,
        apps: Apps,
        hub: Hub,
        api: Arc<Api>,
        meters: Arc<Meters>,
        (judge, tickets, lists): (Judge, Tickets, WatchLists),
    ) -> Arc<Self> {
        let registry = Arc::new(Registry::new(meters.connections.clone()));
        Arc::new(Self { settings, apps, hub, api, meters, registry, judge, tickets, lists })
    }

    pub(super) const fn limits(&self) -> Limits {
        Limits { items: self.settings.outbound_queue, bytes: self.settings.outbound_bytes }
    }

    pub(super) fn websocket(&self) -> WebSocketConfig {
        let largest = Some(self.settings.max_message_bytes);
        WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(largest)
            .max_frame_size(largest)
    }
}

/// `n.n` of 53 random bits each. Whoever knows it could have it joined to what they may join, so
/// it must not be guessable; it is not an id of ours.
pub(super) fn socket_id() -> Option<String> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).ok()?;
    let number = u128::from_le_bytes(bytes);
    let (high, low) = ((number >> 75) as u64, (number as u64) >> 11);
    Some(format!("{high}.{low}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_ids_are_well_formed_and_differ() {
        let (one, two) = (socket_id().unwrap(), socket_id().unwrap());
        assert!(crate::protocol::is_socket_id(&one), "{one}");
        assert_ne!(one, two);
    }
}
