use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::history::{Position, Recover};

/// Deepest nesting of anything that a client sends.
const DEEPEST: usize = 32;

/// What a client says.
#[derive(Debug, Clone)]
pub(crate) enum Incoming {
    Ping,
    Pong,
    Subscribe(Subscribe),
    Unsubscribe {
        channel: String,
    },
    Signin(Signin),
    ClientEvent(ClientEvent),
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
    /// Where the client stood in a recoverable channel. Clients that do not write their own messages
    /// say so in `channel_data`.
    #[serde(default)]
    pub(crate) recover: Option<Recover>,
}

/// A wish to be known as somebody.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Signin {
    pub(crate) auth: String,
    /// JSON with their `id`; what is signed, letter by letter.
    pub(crate) user_data: String,
}

/// An event that a client has for the others in a channel, `client-…`.
#[derive(Debug, Clone)]
pub(crate) struct ClientEvent {
    pub(crate) event: String,
    pub(crate) channel: String,
    /// Passed on as it was sent.
    pub(crate) data: Box<RawValue>,
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
    channel: Option<String>,
    #[serde(default)]
    data: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Unsubscribe {
    channel: String,
}

impl Incoming {
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        if nesting(text) > DEEPEST {
            return Err(Malformed::Envelope);
        }
        let Ok(Envelope { event, channel, data }) = serde_json::from_str(text) else {
            return Err(Malformed::Envelope);
        };
        Ok(match event.as_str() {
            "pusher:ping" => Self::Ping,
            "pusher:pong" => Self::Pong,
            "pusher:subscribe" => Self::Subscribe(read(data)?),
            "pusher:unsubscribe" => {
                Self::Unsubscribe { channel: read::<Unsubscribe>(data)?.channel }
            }
            "pusher:signin" => Self::Signin(read(data)?),
            other if other.starts_with("client-") => {
                let channel = channel.ok_or(Malformed::Envelope)?;
                let data = data.unwrap_or_else(|| RawValue::NULL.to_owned());
                Self::ClientEvent(ClientEvent { event, channel, data })
            }
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
            Self::Signin(_) => "signin",
            Self::ClientEvent(_) => "client_event",
            Self::Unknown => "unknown",
        }
    }
}

/// What a client wants to be told of its event.
#[derive(Deserialize)]
struct Known {
    _cid: String,
}

impl ClientEvent {
    /// Longest `_cid`, characters.
    const LONGEST_ID: usize = 64;

    /// The client's own id of the event, by which it wants to learn what becomes of it.
    pub(crate) fn id(&self) -> Option<String> {
        let Known { _cid } = serde_json::from_str(self.data.get()).ok()?;
        (1..=Self::LONGEST_ID).contains(&_cid.chars().count()).then_some(_cid)
    }
}

impl Subscribe {
    pub(crate) fn channel_data(&self) -> Option<&str> {
        self.channel_data.as_deref().filter(|text| !text.is_empty())
    }

    /// Where the client stood.
    pub(crate) fn recover(&self) -> Option<Position> {
        let signed = || self.channel_data().and_then(Recover::of_channel_data);
        self.recover.clone().or_else(signed)?.position()
    }
}

/// Data comes as an object, or as a text that holds one.
fn read<T: DeserializeOwned>(data: Option<Box<RawValue>>) -> Result<T, Malformed> {
    let data = data.ok_or(Malformed::Data)?;
    let read = match serde_json::from_str(data.get()) {
        Ok(Value::String(text)) => serde_json::from_str(&text),
        Ok(other) => serde_json::from_value(other),
        Err(error) => Err(error),
    };
    match read {
        Ok(read) => Ok(read),
        Err(_error) => Err(Malformed::Data),
    }
}

/// How deep a JSON text is nested. What is passed on unread would go unchecked otherwise.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subscribe(channel: &str, auth: Option<&str>) -> String {
        let (channel, auth) = (channel.to_owned(), auth.map(str::to_owned));
        said(&Incoming::Subscribe(Subscribe { channel, auth, channel_data: None, recover: None }))
    }

    fn said(incoming: &Incoming) -> String {
        format!("{incoming:?}")
    }

    #[test]
    fn message_of_each_kind_is_read() {
        let cases = [
            (r#"{"event":"pusher:ping","data":{}}"#, said(&Incoming::Ping)),
            (r#"{"event":"pusher:ping","data":""}"#, said(&Incoming::Ping)),
            (r#"{"event":"pusher:ping"}"#, said(&Incoming::Ping)),
            (r#"{"event":"pusher:pong","data":{}}"#, said(&Incoming::Pong)),
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
                said(&Incoming::Unsubscribe { channel: "a".to_owned() }),
            ),
            (
                r#"{"event":"pusher:signin","data":{"auth":"k:s","user_data":"{}"}}"#,
                said(&Incoming::Signin(Signin {
                    auth: "k:s".to_owned(),
                    user_data: "{}".to_owned(),
                })),
            ),
            (r#"{"event":"pusher:new","data":[1]}"#, said(&Incoming::Unknown)),
            (r#"{"event":"pusher_internal:x"}"#, said(&Incoming::Unknown)),
            (r#"{"event":"aclient-x"}"#, said(&Incoming::Unknown)),
        ];
        for (text, expected) in cases {
            assert_eq!(said(&Incoming::parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn client_event_keeps_its_data_as_it_was_sent() {
        let parse = |text: &str| match Incoming::parse(text).unwrap() {
            Incoming::ClientEvent(event) => (event.event, event.channel, event.data.to_string()),
            other => panic!("{other:?}"),
        };
        let text = r#"{"event":"client-x","channel":"a","data":{"b": 1.50}}"#;
        assert_eq!(parse(text), ("client-x".into(), "a".into(), r#"{"b": 1.50}"#.into()));
        let text = r#"{"event":"client-x","channel":"a"}"#;
        assert_eq!(parse(text), ("client-x".into(), "a".into(), "null".into()));
    }

    #[test]
    fn nesting_counts_what_is_not_quoted() {
        let deepest = format!("{}1{}", "[".repeat(31), "]".repeat(31));
        let event = |data: &str| format!(r#"{{"event":"client-x","channel":"a","data":{data}}}"#);
        assert!(Incoming::parse(&event(&deepest)).is_ok());
        assert!(Incoming::parse(&event(&format!("[{deepest}]"))).is_err());
        assert!(Incoming::parse(&event(&format!("\"{}\\\"\"", "[".repeat(99)))).is_ok());
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
            (r#"{"event":"pusher:signin","data":{}}"#, Malformed::Data),
            (r#"{"event":"pusher:signin","data":{"auth":"a","user_data":{}}}"#, Malformed::Data),
            (r#"{"event":"client-x","data":{}}"#, Malformed::Envelope),
        ];
        for (text, expected) in cases {
            assert_eq!(Incoming::parse(text).unwrap_err(), expected, "{}", text.len());
        }
    }

    /// Fuzz target: messages damaged in every usual way, the same each run.
    #[test]
    fn fuzz_damaged_messages_are_read_or_refused_in_time() {
        let deep = format!(r#"{{"event":"client-x","channel":"a","data":{}1}}"#, "[".repeat(33));
        let good: Vec<Vec<u8>> = [
            r#"{"event":"pusher:ping","data":{}}"#,
            r#"{"event":"pusher:subscribe","data":{"channel":"presence-a","auth":"k:0f","channel_data":"{\"user_id\":7,\"user_info\":{\"a\":[1,\"\\u00e9\"]}}"}}"#,
            r#"{"event":"pusher:subscribe","data":"{\"channel\":\"a\",\"auth\":\"k:s\"}"}"#,
            r##"{"event":"pusher:unsubscribe","data":{"channel":"#server-to-user-7"}}"##,
            r#"{"event":"pusher:signin","data":{"auth":"k:s","user_data":"{\"id\":\"7\"}"}}"#,
            r#"{"event":"client-x","channel":"private-a","data":{"b":1.5e300,"c":null}}"#,
            deep.as_str(),
        ]
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .collect();
        let (mut read, mut refused) = (0, 0);
        yard_testkit::hammer(&good, 30_000, |input| {
            let text = String::from_utf8_lossy(input);
            match Incoming::parse(&text) {
                Ok(Incoming::ClientEvent(event)) => {
                    assert!(event.event.starts_with("client-"));
                    assert!(nesting(event.data.get()) < DEEPEST);
                    read += 1;
                }
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
        });
        // Neither side of the parser is left out.
        assert!(read > 200 && refused > 200, "{read} {refused}");
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
