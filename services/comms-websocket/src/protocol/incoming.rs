use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Incoming {
    Ping,
    Pong,
    Subscribe(Subscribe),
    Unsubscribe {
        channel: String,
    },
    Signin,
    /// An event of another client's making, `client-…`.
    ClientEvent,
    /// Anything the protocol lets a server ignore.
    Unknown,
}

/// A wish to join. Absent and empty texts are the same: client libraries send both.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Subscribe {
    pub(crate) channel: String,
    #[serde(default)]
    pub(crate) auth: Option<String>,
    #[serde(default)]
    pub(crate) channel_data: Option<String>,
}

/// A message that is not what its event promises; the text is for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("the message is not a JSON object with a text \"event\"")]
    Envelope,
    #[error("the data of the event is not what the protocol asks for")]
    Data,
}

#[derive(Deserialize)]
struct Envelope {
    event: String,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct Unsubscribe {
    channel: String,
}

impl Incoming {
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        let Ok(Envelope { event, data }) = serde_json::from_str(text) else {
            return Err(Malformed::Envelope);
        };
        Ok(match event.as_str() {
            "pusher:ping" => Self::Ping,
            "pusher:pong" => Self::Pong,
            "pusher:subscribe" => Self::Subscribe(read(data)?),
            "pusher:unsubscribe" => {
                Self::Unsubscribe { channel: read::<Unsubscribe>(data)?.channel }
            }
            "pusher:signin" => Self::Signin,
            other if other.starts_with("client-") => Self::ClientEvent,
            _ => Self::Unknown,
        })
    }

    /// Label of the metric.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::Subscribe(_) => "subscribe",
            Self::Unsubscribe { .. } => "unsubscribe",
            Self::Signin => "signin",
            Self::ClientEvent => "client_event",
            Self::Unknown => "unknown",
        }
    }
}

impl Subscribe {
    pub(crate) fn channel_data(&self) -> Option<&str> {
        self.channel_data.as_deref().filter(|text| !text.is_empty())
    }
}

/// Data comes as an object, or as a text that holds one.
fn read<T: DeserializeOwned>(data: Value) -> Result<T, Malformed> {
    let read = match data {
        Value::String(text) => serde_json::from_str(&text),
        other => serde_json::from_value(other),
    };
    match read {
        Ok(read) => Ok(read),
        Err(_error) => Err(Malformed::Data),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subscribe(channel: &str, auth: Option<&str>) -> Incoming {
        Incoming::Subscribe(Subscribe {
            channel: channel.to_owned(),
            auth: auth.map(str::to_owned),
            channel_data: None,
        })
    }

    #[test]
    fn message_of_each_kind_is_read() {
        let cases = [
            (r#"{"event":"pusher:ping","data":{}}"#, Incoming::Ping),
            (r#"{"event":"pusher:ping","data":""}"#, Incoming::Ping),
            (r#"{"event":"pusher:ping"}"#, Incoming::Ping),
            (r#"{"event":"pusher:pong","data":{}}"#, Incoming::Pong),
            (
                r#"{"event":"pusher:subscribe","data":{"auth":"","channel":"a"}}"#,
                subscribe("a", Some("")),
            ),
            (
                r#"{"event":"pusher:subscribe","data":"{\"channel\":\"a\",\"auth\":\"k:s\"}"}"#,
                subscribe("a", Some("k:s")),
            ),
            (
                r#"{"event":"pusher:subscribe","data":{"channel":"a","auth":null,"new":1}}"#,
                subscribe("a", None),
            ),
            (
                r#"{"event":"pusher:unsubscribe","data":{"channel":"a"}}"#,
                Incoming::Unsubscribe { channel: "a".to_owned() },
            ),
            (r#"{"event":"pusher:signin","data":{}}"#, Incoming::Signin),
            (r#"{"event":"client-x","channel":"a","data":{"b":1}}"#, Incoming::ClientEvent),
            (r#"{"event":"pusher:new","data":[1]}"#, Incoming::Unknown),
            (r#"{"event":"pusher_internal:x"}"#, Incoming::Unknown),
            (r#"{"event":"aclient-x"}"#, Incoming::Unknown),
        ];
        for (text, expected) in cases {
            assert_eq!(Incoming::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn message_that_is_malformed_is_refused() {
        let deep = format!(
            r#"{{"event":"pusher:ping","data":{}1{}}}"#,
            "[".repeat(10_000),
            "]".repeat(10_000)
        );
        let cases = [
            ("", Malformed::Envelope),
            ("null", Malformed::Envelope),
            ("[]", Malformed::Envelope),
            ("{}", Malformed::Envelope),
            (r#"{"event":1}"#, Malformed::Envelope),
            (r#"{"event":"a","event":"b"}"#, Malformed::Envelope),
            (r#"{"event":"pusher:ping"} x"#, Malformed::Envelope),
            (deep.as_str(), Malformed::Envelope),
            (r#"{"event":"pusher:subscribe"}"#, Malformed::Data),
            (r#"{"event":"pusher:subscribe","data":{}}"#, Malformed::Data),
            (r#"{"event":"pusher:subscribe","data":"x"}"#, Malformed::Data),
            (r#"{"event":"pusher:subscribe","data":{"channel":1}}"#, Malformed::Data),
            (r#"{"event":"pusher:unsubscribe","data":null}"#, Malformed::Data),
        ];
        for (text, expected) in cases {
            assert_eq!(Incoming::parse(text), Err(expected), "{}", text.len());
        }
    }

    proptest! {
        #[test]
        fn parse_never_panics(text in ".{0,400}") {
            drop(Incoming::parse(&text));
        }

        #[test]
        fn parse_of_hostile_data_never_panics(
            event in "(pusher:(subscribe|unsubscribe|ping|signin)|client-[a-z]{0,3})",
            data in r#"(\{("channel"|"auth"|"channel_data"):("[^"]{0,9}"|[0-9]{1,9}|null|\[\])\}|"[a-z{}]{0,9}"|[0-9]{1,4}|null)"#,
        ) {
            drop(Incoming::parse(&format!(r#"{{"event":"{event}","data":{data}}}"#)));
        }
    }
}
