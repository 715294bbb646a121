//! Messages of the protocol.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::authorize::Authorization;
use crate::track::Position;

/// A message of the service.
#[derive(Debug, Deserialize)]
pub(crate) struct Incoming {
    pub(crate) event: String,
    #[serde(default)]
    pub(crate) channel: Option<String>,
    #[serde(default)]
    data: Value,
}

impl Incoming {
    /// `None` for what no service says.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Data is JSON in a string, or was sent by a client as it is.
    pub(crate) fn data(self) -> Value {
        match self.data {
            Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
            other => other,
        }
    }

    /// Whether it is the protocol's or the service's own, and counts for nothing.
    pub(crate) fn is_of_the_service(&self) -> bool {
        ["pusher:", "pusher_internal:", "comms:"].iter().any(|start| self.event.starts_with(start))
    }
}

/// The position in data of `comms:…`.
pub(crate) fn position(data: &Value) -> Option<Position> {
    serde_json::from_value(json!({"epoch": data.get("epoch")?, "offset": data.get("offset")?})).ok()
}

pub(crate) fn subscribe(
    channel: &str,
    signed: &Authorization,
    recover: Option<&Position>,
) -> String {
    let mut data = json!({"channel": channel, "auth": signed.auth});
    if let Some(channel_data) = &signed.channel_data {
        data["channel_data"] = channel_data.as_str().into();
    }
    if let Some(recover) = recover {
        data["recover"] = json!(recover);
    }
    json!({"event": "pusher:subscribe", "data": data}).to_string()
}

pub(crate) fn unsubscribe(channel: &str) -> String {
    json!({"event": "pusher:unsubscribe", "data": {"channel": channel}}).to_string()
}

pub(crate) fn trigger(channel: &str, event: &str, data: &Value) -> String {
    json!({"event": event, "channel": channel, "data": data}).to_string()
}

pub(crate) fn pong() -> String {
    json!({"event": "pusher:pong", "data": {}}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_read_from_a_string_an_object_or_left_a_text() {
        let data = |text: &str| Incoming::parse(text).unwrap().data();
        assert_eq!(data(r#"{"event":"e","data":"{\"a\":1}"}"#), json!({"a": 1}));
        assert_eq!(data(r#"{"event":"e","data":{"a":1}}"#), json!({"a": 1}));
        assert_eq!(data(r#"{"event":"e","data":"plain"}"#), json!("plain"));
        assert_eq!(data(r#"{"event":"e"}"#), Value::Null);
        assert!(Incoming::parse("{").is_none());
    }

    #[test]
    fn join_says_where_it_stood_beside_the_channel() {
        let signed = Authorization { auth: "k:s".to_owned(), channel_data: None };
        let at = Position { epoch: "e".to_owned(), offset: 7 };
        let text: Value = serde_json::from_str(&subscribe("a", &signed, Some(&at))).unwrap();
        assert_eq!(text["data"]["recover"], json!({"epoch": "e", "offset": 7}));
        assert!(!subscribe("a", &signed, None).contains("recover"));
    }
}
