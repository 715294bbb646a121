use bytes::Bytes;
use serde::de::IgnoredAny;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use yard_contracts::subjects::live;

use crate::channel::ChannelName;
use crate::protocol;

/// One event as all listeners of its channel share it.
#[derive(Debug)]
pub(crate) struct ChannelEvent {
    pub(crate) channel: ChannelName,
    pub(crate) event: Box<str>,
    /// JSON text.
    pub(crate) data: Bytes,
    /// The whole message of the Pusher protocol.
    pub(crate) frame: Utf8Bytes,
    /// Whether a newer one of the same channel makes it worthless.
    pub(crate) conflates: bool,
}

impl ChannelEvent {
    /// `None` when the data is not JSON.
    pub(crate) fn new(channel: &ChannelName, event: &str, data: Bytes) -> Option<Self> {
        let text = std::str::from_utf8(&data).ok()?;
        serde_json::from_str::<IgnoredAny>(text).ok()?;
        let frame = protocol::channel_event(channel.as_str(), event, text);
        let conflates = event == live::TELEMETRY_RECEIVED;
        Some(Self { channel: channel.clone(), event: event.into(), data, frame, conflates })
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
