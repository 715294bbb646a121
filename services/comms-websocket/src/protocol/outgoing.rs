use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::history::Position;

/// Asks for a sign of life.
pub(crate) const PING: Utf8Bytes = Utf8Bytes::from_static(r#"{"event":"pusher:ping","data":{}}"#);
/// Answers [`super::Incoming::Ping`].
pub(crate) const PONG: Utf8Bytes = Utf8Bytes::from_static(r#"{"event":"pusher:pong","data":{}}"#);

#[derive(Serialize)]
struct ChannelEvent<'a> {
    event: &'a str,
    channel: &'a str,
    /// JSON in a string: what the protocol calls encoded data.
    data: &'a str,
}

/// An event of a channel; `data` is JSON text.
pub(crate) fn channel_event(channel: &str, event: &str, data: &str) -> Utf8Bytes {
    text(&ChannelEvent { event, channel, data })
}

/// The first message of every connection.
pub(crate) fn established(socket_id: &str, activity_timeout: u64) -> Utf8Bytes {
    let data = json!({"socket_id": socket_id, "activity_timeout": activity_timeout}).to_string();
    text(&json!({"event": "pusher:connection_established", "data": data}))
}

/// What concerns every client, of no channel.
pub(crate) fn notice(event: &str, data: &str) -> Utf8Bytes {
    text(&json!({"event": event, "data": data}))
}

/// A join that was taken; `data` is JSON: who is there in a presence channel, else empty.
pub(crate) fn subscription_succeeded(channel: &str, data: &str) -> Utf8Bytes {
    channel_event(channel, "pusher_internal:subscription_succeeded", data)
}

/// The channel keeps no event.
pub(crate) fn cache_miss(channel: &str) -> Utf8Bytes {
    text(&json!({"event": "pusher:cache_miss", "channel": channel}))
}

/// Who is in a presence channel: ids, and what each told of itself (JSON).
pub(crate) fn roster<'p>(people: impl IntoIterator<Item = (&'p str, &'p str)>) -> String {
    #[derive(Serialize)]
    struct Roster<'p> {
        presence: Presence<'p>,
    }
    #[derive(Serialize)]
    struct Presence<'p> {
        ids: Vec<&'p str>,
        hash: BTreeMap<&'p str, Value>,
        count: usize,
    }
    let info = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    let hash: BTreeMap<_, _> = people.into_iter().map(|(id, told)| (id, info(told))).collect();
    let (ids, count) = (hash.keys().copied().collect(), hash.len());
    written(&Roster { presence: Presence { ids, hash, count } })
}

/// Somebody came into a presence channel; `info` is JSON.
pub(crate) fn member_added(channel: &str, user: &str, info: &str) -> Utf8Bytes {
    let info: Value = serde_json::from_str(info).unwrap_or(Value::Null);
    let data = json!({"user_id": user, "user_info": info}).to_string();
    channel_event(channel, "pusher_internal:member_added", &data)
}

/// Somebody left a presence channel with their last socket.
pub(crate) fn member_removed(channel: &str, user: &str) -> Utf8Bytes {
    let data = json!({"user_id": user}).to_string();
    channel_event(channel, "pusher_internal:member_removed", &data)
}

/// How many listen.
pub(crate) fn subscription_count(channel: &str, count: u64) -> Utf8Bytes {
    let data = json!({"subscription_count": count}).to_string();
    channel_event(channel, "pusher_internal:subscription_count", &data)
}

#[derive(Serialize)]
struct Place<'a> {
    epoch: &'a str,
    offset: u64,
}

impl<'a> Place<'a> {
    fn of(at: &'a Position) -> Self {
        Self { epoch: &at.epoch, offset: at.offset }
    }
}

/// Where a recoverable channel stands.
pub(crate) fn position(channel: &str, at: &Position) -> Utf8Bytes {
    channel_event(channel, "comms:position", &written(&Place::of(at)))
}

/// Whether a client has been given all that it missed, `replayed` events, and where it stands now.
pub(crate) fn recovery(
    channel: &str,
    recovered: bool,
    at: &Position,
    replayed: usize,
) -> Utf8Bytes {
    #[derive(Serialize)]
    struct Recovery<'a> {
        recovered: bool,
        #[serde(flatten)]
        place: Place<'a>,
        replayed: usize,
    }
    let recovery = Recovery { recovered, place: Place::of(at), replayed };
    channel_event(channel, "comms:recovery", &written(&recovery))
}

/// A client's event is kept.
pub(crate) fn accepted(channel: &str, cid: &str, at: &Position) -> Utf8Bytes {
    #[derive(Serialize)]
    struct Accepted<'a> {
        _cid: &'a str,
        #[serde(flatten)]
        place: Place<'a>,
    }
    let accepted = Accepted { _cid: cid, place: Place::of(at) };
    channel_event(channel, "comms:accepted", &written(&accepted))
}

/// A client's event is not kept, and nobody heard it.
pub(crate) fn refused(channel: &str, cid: &str, reason: &str) -> Utf8Bytes {
    let data = json!({"_cid": cid, "reason": reason}).to_string();
    channel_event(channel, "comms:refused", &data)
}

/// An event of a client, its data as it was sent.
pub(crate) fn client_event(
    channel: &str,
    event: &str,
    data: &RawValue,
    user: Option<&str>,
) -> Utf8Bytes {
    #[derive(Serialize)]
    struct ClientEvent<'a> {
        event: &'a str,
        channel: &'a str,
        data: &'a RawValue,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_id: Option<&'a str>,
    }
    text(&ClientEvent { event, channel, data, user_id: user })
}

/// The sign-in was taken.
pub(crate) fn signin_success(user_data: &str) -> Utf8Bytes {
    let data = json!({"user_data": user_data}).to_string();
    text(&json!({"event": "pusher:signin_success", "data": data}))
}

/// A refused join. The socket stays open.
pub(crate) fn subscription_error(
    channel: &str,
    kind: &str,
    problem: &str,
    status: u16,
) -> Utf8Bytes {
    text(&json!({
        "event": "pusher:subscription_error",
        "channel": channel,
        "data": {"type": kind, "error": problem, "status": status},
    }))
}

/// A general error; without a code it is about one message only.
pub(crate) fn error(code: Option<u16>, message: &str) -> Utf8Bytes {
    text(&json!({"event": "pusher:error", "data": {"code": code, "message": message}}))
}

fn text<T: Serialize>(message: &T) -> Utf8Bytes {
    Utf8Bytes::from(written(message))
}

fn written<T: Serialize>(message: &T) -> String {
    serde_json::to_string(message).expect("texts and numbers can be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_the_protocol_writes_them() {
        assert_eq!(
            established("1.2", 120).as_str(),
            r#"{"data":"{\"activity_timeout\":120,\"socket_id\":\"1.2\"}","event":"pusher:connection_established"}"#
        );
        assert_eq!(
            subscription_succeeded("a", "{}").as_str(),
            r#"{"event":"pusher_internal:subscription_succeeded","channel":"a","data":"{}"}"#
        );
        assert_eq!(
            channel_event("a", "telemetry.received", "{\"v\":\"ä\\n\"}").as_str(),
            r#"{"event":"telemetry.received","channel":"a","data":"{\"v\":\"ä\\n\"}"}"#
        );
        assert_eq!(
            roster([("2", r#"{"name":"ä"}"#), ("1", "")]),
            r#"{"presence":{"ids":["1","2"],"hash":{"1":null,"2":{"name":"ä"}},"count":2}}"#
        );
        assert_eq!(
            member_added("p", "1", "{}").as_str(),
            r#"{"event":"pusher_internal:member_added","channel":"p","data":"{\"user_id\":\"1\",\"user_info\":{}}"}"#
        );
        assert_eq!(
            member_removed("p", "1").as_str(),
            r#"{"event":"pusher_internal:member_removed","channel":"p","data":"{\"user_id\":\"1\"}"}"#
        );
        let sent: Box<RawValue> = serde_json::from_str(r#"{"b": 1}"#).unwrap();
        assert_eq!(
            client_event("p", "client-x", &sent, Some("7")).as_str(),
            r#"{"event":"client-x","channel":"p","data":{"b": 1},"user_id":"7"}"#
        );
        assert_eq!(
            client_event("p", "client-x", &sent, None).as_str(),
            r#"{"event":"client-x","channel":"p","data":{"b": 1}}"#
        );
        assert_eq!(
            signin_success(r#"{"id":"1"}"#).as_str(),
            r#"{"data":"{\"user_data\":\"{\\\"id\\\":\\\"1\\\"}\"}","event":"pusher:signin_success"}"#
        );
        let at = Position { epoch: "e".into(), offset: 7 };
        assert_eq!(
            position("p", &at).as_str(),
            r#"{"event":"comms:position","channel":"p","data":"{\"epoch\":\"e\",\"offset\":7}"}"#
        );
        assert_eq!(
            recovery("p", true, &at, 2).as_str(),
            r#"{"event":"comms:recovery","channel":"p","data":"{\"recovered\":true,\"epoch\":\"e\",\"offset\":7,\"replayed\":2}"}"#
        );
        assert_eq!(
            accepted("p", "c1", &at).as_str(),
            r#"{"event":"comms:accepted","channel":"p","data":"{\"_cid\":\"c1\",\"epoch\":\"e\",\"offset\":7}"}"#
        );
        assert_eq!(
            error(None, "x").as_str(),
            r#"{"data":{"code":null,"message":"x"},"event":"pusher:error"}"#
        );
    }
}
