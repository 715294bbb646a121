use bytes::Bytes;
use serde::de::IgnoredAny;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use yard_contracts::subjects::live;

use crate::bus::Said;
use crate::channel::ChannelName;
use crate::protocol;

/// One event as all listeners of its channel share it.
#[derive(Debug)]
pub(crate) struct ChannelEvent {
    pub(crate) channel: ChannelName,
    pub(crate) event: Box<str>,
    /// JSON text, of an event of the live bus; empty for what is said in the channel.
    pub(crate) data: Bytes,
    /// The whole message of the Pusher protocol.
    pub(crate) frame: Utf8Bytes,
    /// Whether a newer one of the same channel makes it worthless.
    pub(crate) conflates: bool,
    /// The socket that does not get it.
    pub(super) except: Option<Box<str>>,
    /// Who joined at this version or behind has it already; 0 for what everybody gets.
    pub(super) version: u64,
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
            data,
            frame,
            conflates,
            except: None,
            version: 0,
        })
    }

    /// What is said in the channel.
    pub(crate) fn said(channel: &ChannelName, said: Said) -> Self {
        Self {
            channel: channel.clone(),
            event: said.event.into(),
            data: Bytes::new(),
            frame: said.frame,
            conflates: false,
            except: said.except,
            version: said.version,
        }
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
        assert!(event(b"{\"a\":1}").is_some_and(|e| !e.conflates));
        for bad in [&b""[..], b"{", b"\xff\xfe", b"{} {}"] {
            assert!(event(bad).is_none(), "{bad:?}");
        }
    }
}
