use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use yard_contracts::subjects::live;

use crate::bus::Said;
use crate::channel::ChannelName;
use crate::history::Position;
use crate::protocol;

/// One event as all listeners of its channel share it.
#[derive(Debug)]
pub(crate) struct ChannelEvent {
    pub(crate) channel: ChannelName,
    pub(crate) event: Box<str>,
    /// The whole message of the Pusher protocol.
    pub(crate) frame: Utf8Bytes,
    /// Whether a newer one of the same channel makes it worthless.
    pub(crate) conflates: bool,
    /// The socket that does not get it.
    except: Option<Box<str>>,
    /// Who joined at this version or behind has it already; 0 for what everybody gets.
    pub(super) version: u64,
    /// Its number in a recoverable channel, else 0.
    pub(super) offset: u64,
    epoch: Option<Arc<str>>,
}

impl ChannelEvent {
    /// Of the live bus. `None` when the data is not JSON.
    pub(crate) fn new(channel: &ChannelName, event: &str, data: Bytes) -> Option<Self> {
        let text = std::str::from_utf8(&data).ok()?;
        serde_json::from_str::<IgnoredAny>(text).ok()?;
        let frame = protocol::channel_event(channel.as_str(), event, text);
        let conflates = event == live::TELEMETRY_RECEIVED;
        Some(Self {
            channel: channel.clone(),
            event: event.into(),
            frame,
            conflates,
            except: None,
            version: 0,
            offset: 0,
            epoch: None,
        })
    }

    /// What it tells, for those who do not want the message. Data is JSON in a text, or an object that
    /// a client sent.
    pub(crate) fn data(&self) -> Value {
        #[derive(Deserialize)]
        struct Message {
            data: Value,
        }
        match serde_json::from_str(&self.frame) {
            Ok(Message { data: Value::String(text) }) => {
                serde_json::from_str(&text).unwrap_or(Value::String(text))
            }
            Ok(Message { data }) => data,
            Err(_) => Value::Null,
        }
    }

    /// What is said in the channel.
    pub(crate) fn said(channel: &ChannelName, said: Said) -> Self {
        let (epoch, offset) = said.position.map(|at| (at.epoch, at.offset)).unzip();
        Self {
            channel: channel.clone(),
            event: said.event.into(),
            frame: said.frame,
            conflates: false,
            except: said.except,
            version: said.version,
            offset: offset.unwrap_or_default(),
            epoch,
        }
    }

    /// Whether this socket sent it, and so does not get it.
    pub(super) fn is_from(&self, socket: &str) -> bool {
        self.except.as_deref().is_some_and(|except| except == socket)
    }

    /// What whoever does not get it is told in a recoverable channel.
    pub(super) fn position(&self) -> Option<Utf8Bytes> {
        let epoch = Arc::clone(self.epoch.as_ref()?);
        let at = Position { epoch, offset: self.offset };
        Some(protocol::position(self.channel.as_str(), &at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_whose_data_is_not_json_is_none() {
        let channel = ChannelName::parse("private-x").unwrap();
        let event = |data: &'static [u8]| {
            ChannelEvent::new(&channel, live::COMMAND_CHANGED, Bytes::from_static(data))
        };
        let good = event(b"{\"a\":1}").unwrap();
        assert!(!good.conflates);
        assert_eq!(good.data(), serde_json::json!({"a": 1}));
        for bad in [&b""[..], b"{", b"\xff\xfe", b"{} {}"] {
            assert!(event(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn data_of_what_was_said_is_read_from_a_text_or_an_object() {
        let channel = ChannelName::parse("private-x").unwrap();
        let data = |data: &str| {
            let frame = format!(r#"{{"event":"e","channel":"private-x","data":{data}}}"#).into();
            ChannelEvent::said(&channel, Said { frame, ..Said::default() }).data()
        };
        assert_eq!(data(r#""{\"a\":1}""#), serde_json::json!({"a": 1}));
        assert_eq!(data(r#"{"a":1}"#), serde_json::json!({"a": 1}));
        assert_eq!(data(r#""plain""#), serde_json::json!("plain"));
    }
}
