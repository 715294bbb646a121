use serde::Serialize;
use serde_json::json;
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

pub(crate) fn subscription_succeeded(channel: &str) -> Utf8Bytes {
    channel_event(channel, "pusher_internal:subscription_succeeded", "{}")
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
    Utf8Bytes::from(serde_json::to_string(message).expect("texts and numbers can be written"))
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
            subscription_succeeded("a").as_str(),
            r#"{"event":"pusher_internal:subscription_succeeded","channel":"a","data":"{}"}"#
        );
        assert_eq!(
            channel_event("a", "telemetry.received", "{\"v\":\"ä\\n\"}").as_str(),
            r#"{"event":"telemetry.received","channel":"a","data":"{\"v\":\"ä\\n\"}"}"#
        );
        assert_eq!(
            error(None, "x").as_str(),
            r#"{"data":{"code":null,"message":"x"},"event":"pusher:error"}"#
        );
    }
}
