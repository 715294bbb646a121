use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::Kind;
use crate::channel::ChannelName;

/// One event as webhooks are told of it. The channel is held as it is, so that filters see it.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(super) id: Uuid,
    pub(super) kind: Kind,
    pub(super) channel: ChannelName,
    pub(super) details: Details,
}

/// What is told of some kinds only.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Details {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    socket_id: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_count: Option<u64>,
}

/// As it is written.
#[derive(Serialize)]
struct Written<'e> {
    name: &'static str,
    channel: &'e str,
    #[serde(flatten)]
    details: &'e Details,
    /// Ours: the same when the event is told again.
    id: Uuid,
}

#[derive(Serialize)]
struct Body<'e> {
    time_ms: i64,
    events: Vec<Written<'e>>,
}

impl Event {
    fn new(id: Uuid, kind: Kind, channel: &ChannelName, details: Details) -> Self {
        Self { id, kind, channel: channel.clone(), details }
    }

    /// Of an edge as `presence/channel.lua` writes it; `settlement` is the id of those it was taken
    /// with.
    pub(super) fn edge(settlement: Uuid, edge: &str, channel: &ChannelName) -> Option<Self> {
        let mut letters = edge.chars();
        let (kind, user) = match (letters.next()?, letters.as_str()) {
            ('o', "") => (Kind::ChannelOccupied, None),
            ('v', "") => (Kind::ChannelVacated, None),
            ('+', user) => (Kind::MemberAdded, Some(user)),
            ('-', user) => (Kind::MemberRemoved, Some(user)),
            _ => return None,
        };
        let id = Uuid::new_v5(&settlement, edge.as_bytes());
        let details = Details { user_id: user.map(Into::into), ..Details::default() };
        Some(Self::new(id, kind, channel, details))
    }

    /// A client spoke; `user` is who, in a presence channel.
    pub(crate) fn client_event(
        id: Uuid,
        channel: &ChannelName,
        (event, data): (&str, &RawValue),
        socket: &str,
        user: Option<&str>,
    ) -> Self {
        // Pusher's receivers are given a text; what a client sent as one is that text.
        let text = serde_json::from_str::<String>(data.get());
        let details = Details {
            event: Some(event.into()),
            data: Some(text.unwrap_or_else(|_not_a_text| data.get().to_owned()).into()),
            socket_id: Some(socket.into()),
            user_id: user.map(Into::into),
            ..Details::default()
        };
        Self::new(id, Kind::ClientEvent, channel, details)
    }

    /// Somebody joined a cache channel that keeps nothing.
    pub(crate) fn cache_miss(id: Uuid, channel: &ChannelName) -> Self {
        Self::new(id, Kind::CacheMiss, channel, Details::default())
    }

    /// How many listen has changed.
    pub(crate) fn subscription_count(id: Uuid, channel: &ChannelName, count: u64) -> Self {
        let details = Details { subscription_count: Some(count), ..Details::default() };
        Self::new(id, Kind::SubscriptionCount, channel, details)
    }

    /// About so many bytes of a body.
    pub(super) fn weight(&self) -> usize {
        let data = self.details.data.as_deref().map_or(0, str::len);
        data + self.channel.as_str().len() + 512
    }
}

/// The body that tells of these events.
pub(super) fn body(time_ms: i64, events: &[&Event]) -> Vec<u8> {
    let events = events
        .iter()
        .map(|event| Written {
            name: event.kind.name(),
            channel: event.channel.as_str(),
            details: &event.details,
            id: event.id,
        })
        .collect();
    // Texts and numbers only: there is nothing in it that cannot be written.
    serde_json::to_vec(&Body { time_ms, events }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn channel(name: &str) -> ChannelName {
        ChannelName::parse(name).unwrap()
    }

    fn written(event: &Event) -> Value {
        let body: Value = serde_json::from_slice(&body(7, &[event])).unwrap();
        assert_eq!(body["time_ms"], 7);
        body["events"][0].clone()
    }

    #[test]
    fn body_is_as_the_protocol_has_it_with_an_id_for_each_event() {
        let (id, room) = (Uuid::from_u128(1), channel("presence-room"));
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let (object, text) = (raw(r#"{"x": 1}"#), raw(r#""plain""#));
        let spoke = |data| Event::client_event(id, &room, ("client-x", data), "1.2", Some("u"));
        let spoken = json!({"name": "client_event", "channel": "presence-room", "event": "client-x",
            "data": "{\"x\": 1}", "socket_id": "1.2", "user_id": "u", "id": id});
        assert_eq!(written(&spoke(&object)), spoken);
        assert_eq!(written(&spoke(&text))["data"], "plain");
        let missed = Event::cache_miss(id, &channel("cache-x"));
        let expected = json!({"name": "cache_miss", "channel": "cache-x", "id": id});
        assert_eq!(written(&missed), expected);
        let counted = Event::subscription_count(id, &channel("x"), 3);
        let expected = json!({"name": "subscription_count", "channel": "x", "subscription_count": 3, "id": id});
        assert_eq!(written(&counted), expected);
    }

    #[test]
    fn edge_is_read_and_has_the_same_id_each_time() {
        let (settlement, room) = (Uuid::from_u128(7), channel("presence-room"));
        let edge = |text: &str| Event::edge(settlement, text, &room);
        for (text, name, user) in [
            ("o", "channel_occupied", Value::Null),
            ("v", "channel_vacated", Value::Null),
            ("+o", "member_added", json!("o")),
            ("-Zoë 1", "member_removed", json!("Zoë 1")),
        ] {
            let made = edge(text).unwrap();
            assert_eq!(made.id, edge(text).unwrap().id);
            assert_ne!(made.id, Event::edge(Uuid::from_u128(8), text, &room).unwrap().id);
            let written = written(&made);
            assert_eq!((&written["name"], &written["user_id"]), (&json!(name), &user));
        }
        assert!(edge("").is_none() && edge("x").is_none() && edge("ox").is_none());
    }
}
