use std::sync::Arc;
use std::time::Duration;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::types::Value;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use yard_ids::IdSource;
use yard_limits::{Redis, Script};

use super::{Kept, Page, Position};
use crate::channel::ChannelKey;

static HISTORY: Script = Script::new(include_str!("history.lua"));
/// A channel that nobody asks for keeps its epoch for so long after the last word; a client that was
/// away longer reads anew.
const EPOCH_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// A publish that is repeated by its key within this time is the same.
const KEY_KNOWN: Duration = Duration::from_secs(600);

/// What is said in recoverable channels. Cheap to clone.
#[derive(Clone)]
pub(crate) struct History {
    redis: Redis,
    ids: Arc<dyn IdSource>,
}

/// An event that is to be kept.
pub(crate) struct Append<'e> {
    pub(crate) channel: &'e ChannelKey,
    pub(crate) event: &'e str,
    pub(crate) frame: &'e Utf8Bytes,
    /// The socket that does not get it.
    pub(crate) except: Option<&'e str>,
    /// A key by which it is known should it be said again.
    pub(crate) key: Option<&'e str>,
    /// How much the channel keeps, and for how long.
    pub(crate) most: usize,
    pub(crate) kept_for: Duration,
}

impl History {
    pub(crate) fn new(redis: Redis, ids: Arc<dyn IdSource>) -> Self {
        Self { redis, ids }
    }

    /// Keeps an event; where it stands. One that is known by its key stands where it stood.
    ///
    /// # Errors
    /// When Redis does not answer; then it may be kept or not.
    pub(crate) async fn append(&self, append: &Append<'_>) -> Result<Position, Error> {
        let Append { channel, event, frame, except, key, most, kept_for } = *append;
        let known = known_key(channel, key.unwrap_or_default());
        let arguments: Vec<Value> = vec![
            event.into(),
            frame.as_str().into(),
            except.unwrap_or_default().into(),
            number(most).into(),
            millis(kept_for).into(),
            key.map_or(0, |_key| millis(KEY_KNOWN)).into(),
        ];
        let answer = self.run("append", channel, Some(&known), arguments).await?;
        position(&answer)
    }

    /// What followed `since`, at most so many events; without it, only where the channel stands.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(crate) async fn read(
        &self,
        channel: &ChannelKey,
        since: Option<&Position>,
        most: usize,
    ) -> Result<Page, Error> {
        let (epoch, offset) = since.map_or(("", 0), |since| (&*since.epoch, since.offset));
        // Larger ones are nobody's, and a script's numbers are exact up to here.
        let offset = i64::try_from(offset).unwrap_or(i64::MAX).min(1 << 53);
        let arguments: Vec<Value> = vec![epoch.into(), offset.into(), number(most).into()];
        let answer = self.run("read", channel, None, arguments).await?;
        let top = position(&answer)?;
        let whole = answer.get(2).and_then(Value::as_i64) == Some(1);
        let entries = answer.get(3..).unwrap_or_default().chunks_exact(3);
        let events = entries.map(kept).collect::<Result<_, _>>()?;
        Ok(Page { top, whole, events })
    }

    async fn run(
        &self,
        operation: &'static str,
        channel: &ChannelKey,
        known: Option<&str>,
        more: Vec<Value>,
    ) -> Result<Vec<Value>, Error> {
        let (place, events) = (place_key(channel), events_key(channel));
        let mut keys = vec![place.as_str(), events.as_str()];
        keys.extend(known);
        let epoch = self.ids.uuid7().as_simple().to_string();
        let mut arguments: Vec<Value> =
            vec![operation.into(), epoch.into(), millis(EPOCH_KEPT).into()];
        arguments.extend(more);
        match HISTORY.run(self.connected()?, keys, arguments).await? {
            Value::Array(answer) => Ok(answer),
            _ => Err(unexpected()),
        }
    }

    fn connected(&self) -> Result<&Client, Error> {
        self.redis.connected().ok_or_else(|| Error::new(ErrorKind::IO, "not connected"))
    }
}

fn position(answer: &[Value]) -> Result<Position, Error> {
    let epoch = text(answer.first())?.into();
    let offset = answer.get(1).and_then(Value::as_i64).and_then(|n| u64::try_from(n).ok());
    Ok(Position { epoch, offset: offset.ok_or_else(unexpected)? })
}

fn kept(entry: &[Value]) -> Result<Kept, Error> {
    let except = text(entry.get(2))?;
    Ok(Kept {
        event: text(entry.first())?,
        frame: text(entry.get(1))?.into(),
        except: (!except.is_empty()).then(|| except.into()),
    })
}

fn text(value: Option<&Value>) -> Result<String, Error> {
    value.and_then(Value::as_string).ok_or_else(unexpected)
}

fn unexpected() -> Error {
    Error::new(ErrorKind::Protocol, "the script answered something else")
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

// The braces put all that is kept of a channel into one slot of a cluster.

fn place_key(channel: &ChannelKey) -> String {
    format!("yard:comms:history:{{{channel}}}")
}

fn events_key(channel: &ChannelKey) -> String {
    format!("yard:comms:events:{{{channel}}}")
}

fn known_key(channel: &ChannelKey, key: &str) -> String {
    format!("yard:comms:known:{{{channel}}}:{key}")
}
