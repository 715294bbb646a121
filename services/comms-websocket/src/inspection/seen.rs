//! What a trace shows of what is on the bus.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use yard_contracts::realtime::v1::{
    ChannelMessage, RealtimeDataWithheld, RealtimeTraceEvent, RealtimeTraceKind,
};

use crate::channel::{ChannelName, Kind, Topic};

/// So much of what an event says is shown, bytes.
const LONGEST_DATA: usize = 4_096;

/// What the reader may see of what events say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    /// It was asked for.
    pub(super) data: bool,
    /// Also of channels that are about devices.
    pub(super) devices: bool,
}

#[derive(Deserialize)]
struct Frame<'f> {
    #[serde(borrow, default)]
    event: Cow<'f, str>,
    #[serde(borrow, default)]
    data: Option<&'f RawValue>,
    #[serde(borrow, default)]
    user_id: Option<Cow<'f, str>>,
}

#[derive(Deserialize)]
struct Member {
    user_id: String,
}

/// What was said in a channel; `None` for what is the protocol's own affair.
pub(super) fn said(
    channel: &ChannelName,
    message: &ChannelMessage,
    sight: Sight,
) -> Option<RealtimeTraceEvent> {
    let frame: Frame<'_> = serde_json::from_str(&message.frame).ok()?;
    let data = frame.data.map(text).unwrap_or_default();
    if message.event.is_empty() {
        return member(channel, &frame.event, &data);
    }
    // Only a client has a socket of its own left out and a name that starts so.
    let kind = match message.event.starts_with("client-") && !message.origin.is_empty() {
        true => RealtimeTraceKind::ClientEvent,
        false => RealtimeTraceKind::Event,
    };
    let withheld = withheld(channel, sight);
    let data_bytes = super::gather::count(data.len() as u64);
    let shown = match withheld {
        RealtimeDataWithheld::Unspecified => cut(data.into_owned()),
        _ => String::new(),
    };
    Some(RealtimeTraceEvent {
        kind: kind.into(),
        channel: channel.to_string(),
        event: message.event.clone(),
        socket_id: message.except_socket.clone(),
        user_id: frame.user_id.unwrap_or_default().into_owned(),
        data: shown,
        data_bytes,
        withheld: withheld.into(),
        ..RealtimeTraceEvent::default()
    })
}

fn member(channel: &ChannelName, event: &str, data: &str) -> Option<RealtimeTraceEvent> {
    let event = match event {
        "pusher_internal:member_added" => "joined",
        "pusher_internal:member_removed" => "left",
        _ => return None,
    };
    let Member { user_id } = serde_json::from_str(data).ok()?;
    Some(RealtimeTraceEvent {
        kind: RealtimeTraceKind::Member.into(),
        channel: channel.to_string(),
        event: event.to_owned(),
        user_id,
        ..RealtimeTraceEvent::default()
    })
}

fn withheld(channel: &ChannelName, sight: Sight) -> RealtimeDataWithheld {
    if channel.kind() == Kind::Encrypted {
        RealtimeDataWithheld::Encrypted
    } else if Topic::of(channel).is_some() && !sight.devices {
        RealtimeDataWithheld::Permission
    } else if !sight.data {
        RealtimeDataWithheld::NotAsked
    } else {
        RealtimeDataWithheld::Unspecified
    }
}

/// The protocol puts what is said into a JSON text; what clients send may be any JSON.
fn text(data: &RawValue) -> Cow<'_, str> {
    match serde_json::from_str::<String>(data.get()) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Borrowed(data.get()),
    }
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(LONGEST_DATA));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol;

    const ALL: Sight = Sight { data: true, devices: true };

    fn name(text: &str) -> ChannelName {
        ChannelName::parse(text).unwrap()
    }

    fn event(channel: &str, data: &str) -> ChannelMessage {
        let frame = protocol::channel_event(channel, "order.shipped", data).to_string();
        ChannelMessage { event: "order.shipped".to_owned(), frame, ..ChannelMessage::default() }
    }

    fn shown(channel: &str, data: &str, sight: Sight) -> RealtimeTraceEvent {
        said(&name(channel), &event(channel, data), sight).unwrap()
    }

    #[test]
    fn event_is_shown_with_its_data_only_to_who_asked_and_may() {
        let open = shown("private-orders", r#"{"n":1}"#, ALL);
        assert_eq!((open.kind(), open.data.as_str()), (RealtimeTraceKind::Event, r#"{"n":1}"#));
        let device = "private-organization.0190a6f2-7c2a-7b52-9c11-000000000001";
        for (channel, sight, why) in [
            ("private-orders", Sight { data: false, ..ALL }, RealtimeDataWithheld::NotAsked),
            ("private-encrypted-orders", ALL, RealtimeDataWithheld::Encrypted),
            ("private-encrypted-cache-orders", ALL, RealtimeDataWithheld::Encrypted),
            (device, Sight { devices: false, ..ALL }, RealtimeDataWithheld::Permission),
        ] {
            let event = shown(channel, "secret", sight);
            assert_eq!((event.withheld(), event.data.as_str()), (why, ""), "{channel}");
            assert_eq!(event.data_bytes, 6);
        }
        assert_eq!(shown(device, "x", ALL).data, "x");
    }

    #[test]
    fn data_is_cut_at_its_limit_between_characters() {
        let whole = "x".repeat(4_096);
        assert_eq!(shown("a", &whole, ALL).data, whole);
        let long = format!("{}ä", "x".repeat(4_095));
        let event = shown("a", &long, ALL);
        assert_eq!((event.data.len(), event.data_bytes), (4_095, 4_097));
    }

    #[test]
    fn event_of_a_client_names_its_socket_and_user() {
        let data = serde_json::value::to_raw_value(&json!({"x": 1})).unwrap();
        let frame = protocol::client_event("presence-a", "client-move", &data, Some("7"));
        let message = ChannelMessage {
            event: "client-move".to_owned(),
            frame: frame.to_string(),
            except_socket: "1.2".to_owned(),
            origin: "i".to_owned(),
            ..ChannelMessage::default()
        };
        let event = said(&name("presence-a"), &message, ALL).unwrap();
        assert_eq!(event.kind(), RealtimeTraceKind::ClientEvent);
        assert_eq!((&*event.socket_id, &*event.user_id, &*event.data), ("1.2", "7", r#"{"x":1}"#));
    }

    #[test]
    fn who_comes_and_goes_is_named_and_the_protocol_s_own_words_are_not_shown() {
        let notice = |frame: tokio_tungstenite::tungstenite::Utf8Bytes| {
            let frame = frame.to_string();
            let message = ChannelMessage { frame, ..ChannelMessage::default() };
            said(&name("presence-a"), &message, ALL)
        };
        let came = notice(protocol::member_added("presence-a", "7", "{}")).unwrap();
        assert_eq!((came.kind(), &*came.event), (RealtimeTraceKind::Member, "joined"));
        assert_eq!(&*came.user_id, "7");
        let went = notice(protocol::member_removed("presence-a", "7")).unwrap();
        assert_eq!(&*went.event, "left");
        assert!(notice(protocol::subscription_count("presence-a", 3)).is_none());
        assert!(notice("no json".into()).is_none());
    }
}
