use std::sync::Arc;
use std::time::Duration;

use crate::channel::{ChannelName, Topic};
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
    /// Channels whose names begin so are recoverable (ADR 0039).
    pub(crate) recoverable_prefixes: Vec<String>,
    /// Events that such a channel keeps.
    pub(crate) history_events: usize,
    /// For how long after the last one.
    pub(crate) history_kept: Duration,
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
            recoverable_prefixes: Vec::new(),
            history_events: 300,
            history_kept: Duration::from_secs(300),
            webhooks: Arc::default(),
        }
    }
}

impl AppSettings {
    /// Whether pages of this origin may connect.
    pub(crate) fn lets_in(&self, origin: &str) -> bool {
        self.allowed_origins.iter().any(|allowed| allowed == "*" || allowed == origin)
    }

    /// How much a channel keeps and for how long, if it is recoverable. What the live bus carries is in
    /// the database already.
    pub(crate) fn history(&self, channel: &ChannelName) -> Option<(usize, Duration)> {
        let name = channel.as_str();
        let is = self.recoverable_prefixes.iter().any(|prefix| name.starts_with(prefix));
        (is && Topic::of(channel).is_none()).then_some((self.history_events, self.history_kept))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_is_recoverable_by_the_start_of_its_name_unless_the_live_bus_fills_it() {
        let recoverable_prefixes = ["private-", "chat."].map(str::to_owned).to_vec();
        let settings = AppSettings { recoverable_prefixes, ..AppSettings::default() };
        let is = |name: &str| settings.history(&ChannelName::parse(name).unwrap()).is_some();
        assert!(is("private-x") && is("private-encrypted-x") && is("chat.7"));
        assert!(!is("presence-x") && !is("x.chat.7") && !is("chat") && !is("#server-to-user-7"));
        assert!(!is("private-organization.0190a6f2-7c2a-7b52-9c11-000000000001"));
        assert!(AppSettings::default().recoverable_prefixes.is_empty());
    }
}
