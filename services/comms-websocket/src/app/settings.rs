use std::sync::Arc;

use crate::channel::ChannelName;
use crate::webhook::{Endpoint, Kind, Kinds};

/// What an app may do and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppSettings {
    /// Whether it takes sockets and publishes at all.
    pub(crate) enabled: bool,
    /// Whether clients may send `client-…` events.
    pub(crate) client_events: bool,
    /// So many of them a second and socket.
    pub(crate) client_events_per_second: u32,
    /// Origins of pages that may connect; `*` takes any.
    pub(crate) allowed_origins: Vec<String>,
    /// Its sockets at the same time on one instance.
    pub(crate) max_connections: usize,
    /// People in one presence channel.
    pub(crate) max_members: usize,
    /// Largest data of one event, bytes.
    pub(crate) max_event_bytes: usize,
    /// Whether channels tell how many listen.
    pub(crate) subscription_count: bool,
    /// Who is told of what happens in it.
    pub(crate) webhooks: Arc<[Endpoint]>,
}

impl Default for AppSettings {
    /// As Pusher's documents have it; its limit of a member's information is [`MAX_MEMBER_BYTES`].
    fn default() -> Self {
        Self {
            enabled: true,
            client_events: false,
            client_events_per_second: 10,
            allowed_origins: Vec::new(),
            max_connections: usize::MAX,
            max_members: 100,
            max_event_bytes: 10_240,
            subscription_count: false,
            webhooks: Arc::default(),
        }
    }
}

impl AppSettings {
    /// Whether pages of this origin may connect.
    pub(crate) fn lets_in(&self, origin: &str) -> bool {
        self.allowed_origins.iter().any(|allowed| allowed == "*" || allowed == origin)
    }

    /// Whether webhooks want to know of this.
    pub(crate) fn tells(&self, kind: Kind, channel: &ChannelName) -> bool {
        self.tells_any(Kinds::of(&[kind]), channel)
    }

    /// Whether webhooks want to know who comes and goes.
    pub(crate) fn tells_edges(&self, channel: &ChannelName) -> bool {
        self.tells_any(Kinds::EDGES, channel)
    }

    fn tells_any(&self, kinds: Kinds, channel: &ChannelName) -> bool {
        let wanted = |one: &Endpoint| one.wants_any(kinds, channel.as_str());
        self.enabled && self.webhooks.iter().any(wanted)
    }
}
