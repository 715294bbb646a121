//! What was said in recoverable channels, numbered and kept for a while (ADR 0039).
//!
//! Redis holds it and may lose it: an epoch says so. Nothing durable is kept here only.

mod store;

use std::sync::Arc;

use serde::Deserialize;
use tokio_tungstenite::tungstenite::Utf8Bytes;

pub(crate) use store::{Append, History};

/// Events that a channel may keep.
pub(crate) const MOST_KEPT: usize = 1_000;
/// Longest epoch that a client may name, bytes.
const LONGEST_EPOCH: usize = 64;

/// A place in a channel: everything up to this offset is said. Offsets begin with 1 and have no holes,
/// as long as the epoch is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) epoch: Arc<str>,
    pub(crate) offset: u64,
}

/// An event as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) event: String,
    pub(crate) frame: Utf8Bytes,
    /// The socket that did not get it.
    pub(crate) except: Option<Box<str>>,
}

/// What followed a position.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// Where the channel stands.
    pub(crate) top: Position,
    /// Whether nothing is missing between the position that was asked from and `events`.
    pub(crate) whole: bool,
    /// In order, without a hole; at most as many as were asked for.
    pub(crate) events: Vec<Kept>,
}

/// Where a client says that it stood.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Recover {
    epoch: String,
    offset: u64,
}

impl Recover {
    /// `None` for what no channel ever was at.
    pub(crate) fn position(self) -> Option<Position> {
        let fits = (1..=LONGEST_EPOCH).contains(&self.epoch.len());
        fits.then(|| Position { epoch: self.epoch.into(), offset: self.offset })
    }

    /// Of signed `channel_data`: `{"recover":{"epoch","offset"}}`, whatever else it holds.
    pub(crate) fn of_channel_data(data: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Data {
            recover: Recover,
        }
        serde_json::from_str::<Data>(data).ok().map(|data| data.recover)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_is_read_from_signed_data_whatever_else_it_holds() {
        let read = |text: &str| Recover::of_channel_data(text).and_then(Recover::position);
        let place = Position { epoch: "e".into(), offset: 7 };
        assert_eq!(read(r#"{"recover":{"epoch":"e","offset":7}}"#), Some(place.clone()));
        let more = r#"{"user_id":"1","recover":{"offset":7,"epoch":"e","x":[1]},"user_info":{}}"#;
        assert_eq!(read(more), Some(place));
        for nothing in [
            "",
            "{}",
            "[]",
            r#"{"recover":null}"#,
            r#"{"recover":{"epoch":"","offset":7}}"#,
            r#"{"recover":{"epoch":"e","offset":-1}}"#,
            r#"{"recover":{"epoch":"e","offset":"7"}}"#,
            r#"{"recover":{"offset":7}}"#,
        ] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
        let long = |n| format!(r#"{{"recover":{{"epoch":"{}","offset":1}}}}"#, "x".repeat(n));
        assert!(read(&long(64)).is_some() && read(&long(65)).is_none());
    }
}
