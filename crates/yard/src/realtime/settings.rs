use clap::Args;
use serde_json::{Map, Value, json};

/// What an app may do, and how much.
#[derive(Debug, Args)]
pub struct Settings {
    /// Whether clients may send `client-…` events to each other.
    #[arg(long, value_name = "BOOL")]
    pub client_events: Option<bool>,
    /// So many of them a second from one socket, 1 to 100.
    #[arg(long, value_name = "NUMBER")]
    pub client_events_per_second: Option<u32>,
    /// Origin of web pages that may connect, or `*` for any; may be given again.
    #[arg(long = "origin", value_name = "ORIGIN")]
    pub origins: Vec<String>,
    /// Sockets at the same time on one instance; 0 for as many as it takes.
    #[arg(long, value_name = "NUMBER")]
    pub max_connections: Option<u32>,
    /// People in one presence channel, 1 to 1000.
    #[arg(long, value_name = "NUMBER")]
    pub max_members: Option<u32>,
    /// Largest data of one event, 1024 to 65536.
    #[arg(long, value_name = "BYTES")]
    pub max_event_bytes: Option<u32>,
    /// Whether channels tell how many listen.
    #[arg(long, value_name = "BOOL")]
    pub subscription_count: Option<bool>,
    /// Channels whose names begin so are recoverable: who was away gets what they missed; may be given
    /// again. An empty one alone means none.
    #[arg(long = "recoverable", value_name = "PREFIX")]
    pub recoverable_prefixes: Vec<String>,
    /// Events that a recoverable channel keeps, 1 to 1000.
    #[arg(long, value_name = "NUMBER")]
    pub history_events: Option<u32>,
    /// For how long after the last one, 1 to 86400.
    #[arg(long, value_name = "SECONDS")]
    pub history_seconds: Option<u32>,
}

impl Settings {
    /// Only what was named.
    pub(super) fn named(&self) -> Map<String, Value> {
        let origins = (!self.origins.is_empty()).then(|| json!(self.origins));
        let recoverable: Vec<&String> =
            self.recoverable_prefixes.iter().filter(|prefix| !prefix.is_empty()).collect();
        let recoverable = (!self.recoverable_prefixes.is_empty()).then(|| json!(recoverable));
        let all = [
            ("client_events", self.client_events.map(|on| json!(on))),
            ("client_events_per_second", self.client_events_per_second.map(|n| json!(n))),
            ("allowed_origins", origins),
            ("max_connections", self.max_connections.map(|n| json!(n))),
            ("max_members", self.max_members.map(|n| json!(n))),
            ("max_event_bytes", self.max_event_bytes.map(|n| json!(n))),
            ("subscription_count", self.subscription_count.map(|on| json!(on))),
            ("recoverable_prefixes", recoverable),
            ("history_events", self.history_events.map(|n| json!(n))),
            ("history_seconds", self.history_seconds.map(|n| json!(n))),
        ];
        let named = all.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?)));
        named.collect()
    }
}
