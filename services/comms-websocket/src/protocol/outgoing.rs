use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Utf8Bytes;

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

/// Who of a watch list came online and who went offline; not both empty.
pub(crate) fn watchlist(online: &[Arc<str>], offline: &[Arc<str>]) -> Utf8Bytes {
    let events: Vec<Value> = [("online", online), ("offline", offline)]
        .into_iter()
        .filter(|(_, users)| !users.is_empty())
        .map(|(name, users)| {
            let ids: Vec<&str> = users.iter().map(AsRef::as_ref).collect();
            json!({"name": name, "user_ids": ids})
        })
        .collect();
    let data = json!({"events": events}).to_string();
    text(&json!({"event": "pusher_internal:watchlist_events", "data": data}))
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
    fn watchlist_names_only_what_happened_to_somebody() {
        let (ada, bob) = ([Arc::from("ada")], [Arc::from("bob")]);
        for (online, offline, events) in [
            (&ada[..], &bob[..], json!([["online", "ada"], ["offline", "bob"]])),
            (&ada[..], &[], json!([["online", "ada"]])),
            (&[], &bob[..], json!([["offline", "bob"]])),
        ] {
            let frame: Value = serde_json::from_str(&watchlist(online, offline)).unwrap();
            assert_eq!(frame["event"], "pusher_internal:watchlist_events");
            let data: Value = serde_json::from_str(frame["data"].as_str().unwrap()).unwrap();
            let told = data["events"].as_array().unwrap().iter();
            let told: Value =
                told.map(|event| json!([event["name"], event["user_ids"][0]])).collect();
            assert_eq!(told, events);
        }
    }

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
        assert_eq!(
            error(None, "x").as_str(),
            r#"{"data":{"code":null,"message":"x"},"event":"pusher:error"}"#
        );
    }
}
