use serde_json::json;
use tokio_tungstenite::tungstenite::{Bytes, Utf8Bytes};
use uuid::Uuid;

use super::wish::Level;
use crate::channel::ChannelName;
use crate::protocol;

/// The event that tells a client the id of the event right behind it.
const COMPANION: &str = "comms:message";

/// A confirmed message as its recipients' sockets get it: two frames with nothing between them.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) channel: ChannelName,
    pub(super) level: Level,
    pub(crate) companion: Utf8Bytes,
    pub(crate) event: Utf8Bytes,
}

impl Letter {
    pub(super) fn new(
        channel: &ChannelName,
        (id, seq, level): (Uuid, i64, Level),
        event: &str,
        data: &str,
    ) -> Self {
        let told = json!({"id": id, "seq": seq, "level": level.as_str()}).to_string();
        let companion = protocol::channel_event(channel.as_str(), COMPANION, &told);
        let event = protocol::channel_event(channel.as_str(), event, data);
        Self { channel: channel.clone(), level, companion, event }
    }

    /// Bytes of both frames.
    pub(crate) fn len(&self) -> usize {
        self.companion.len() + self.event.len()
    }
}

/// What a WebSocket ping carries behind letters that its pong acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PingNumber {
    /// Number of the seat, on this instance.
    pub(super) seat: u64,
    /// Of the seat's pings. A pong is for all before it too: a client may answer only the last ping
    /// (RFC 6455, section 5.5.3).
    pub(super) number: u64,
}

impl PingNumber {
    /// At most 49 bytes; a ping takes 125.
    pub(crate) fn payload(self) -> Bytes {
        format!("comms:{}:{}", self.seat, self.number).into()
    }

    /// `None` for a pong that answers none of these.
    pub(super) fn of(payload: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok()?.strip_prefix("comms:")?;
        let (seat, number) = text.split_once(':')?;
        Some(Self { seat: seat.parse().ok()?, number: number.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_is_two_events_of_its_channel() {
        let name = ChannelName::parse("private-a").unwrap();
        let letter = Letter::new(&name, (Uuid::nil(), 7, Level::App), "order", "{\"n\":1}");
        assert_eq!(
            letter.companion.as_str(),
            r#"{"event":"comms:message","channel":"private-a","data":"{\"id\":\"00000000-0000-0000-0000-000000000000\",\"level\":\"app\",\"seq\":7}"}"#
        );
        assert_eq!(
            letter.event.as_str(),
            r#"{"event":"order","channel":"private-a","data":"{\"n\":1}"}"#
        );
    }

    #[test]
    fn ping_is_read_from_its_pong_and_any_other_pong_is_none() {
        let ping = PingNumber { seat: u64::MAX, number: u64::MAX };
        assert!(ping.payload().len() <= 125);
        assert_eq!(PingNumber::of(&ping.payload()), Some(ping));
        for other in [&b""[..], b"comms:", b"comms:1", b"comms:1:x", b"comms:-1:2", b"\xff", b"1:2"]
        {
            assert_eq!(PingNumber::of(other), None);
        }
    }
}
