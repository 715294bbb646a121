use std::sync::Arc;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{KeysInterface as _, SetsInterface as _, SortedSetsInterface as _};
use fred::types::Value;
use fred::types::sorted_sets::{ZRange, ZRangeBound, ZRangeKind};
use time::OffsetDateTime;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use yard_limits::{Redis, Script};

use super::Person;
use crate::app::AppId;
use crate::channel::{ChannelKey, ChannelName};

static CHANNEL: Script = Script::new(include_str!("channel.lua"));
const LEASES: &str = "yard:comms:instances";

/// What Redis knows of channels. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Rosters {
    redis: Redis,
    instance: Arc<str>,
}

/// What this instance says of a channel; it replaces what it said before.
pub(super) struct Saying<'a> {
    pub(super) channel: &'a ChannelKey,
    pub(super) listeners: usize,
    /// Somebody, and by how many sockets they are here.
    pub(super) person: Option<(&'a Person, u32)>,
    /// People in the channel, at most.
    pub(super) most: usize,
    /// Whether the answer names everybody.
    pub(super) roster: bool,
    /// Whether webhooks are owed who comes and goes.
    pub(super) edges: bool,
    /// Whether they want to know if nothing is kept for who joins.
    pub(super) miss: bool,
}

/// What has become of the somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    Came,
    Left,
    /// The channel has as many people as it may.
    Full,
}

/// A channel after this instance has spoken.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) change: Change,
    pub(super) version: u64,
    pub(super) listeners_before: u64,
    pub(super) listeners: u64,
    pub(super) kept: Option<Utf8Bytes>,
    /// Webhooks are owed something now.
    pub(super) owes: bool,
    /// They are to be told that nothing is kept.
    pub(super) missed: bool,
    pub(super) roster: Vec<Person>,
}

/// What became of a channel that an instance is taken out of.
#[derive(Debug)]
pub(super) struct Dropped {
    pub(super) listeners: u64,
    /// Who left by it, each with the version.
    pub(super) left: Vec<(String, u64)>,
}

/// A channel over all instances.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Occupancy {
    pub(crate) listeners: u64,
    pub(crate) people: u64,
    /// The event that it keeps.
    pub(crate) kept: Option<Utf8Bytes>,
    /// Ids of the people, where they were asked for.
    pub(crate) ids: Vec<String>,
}

/// Somebody in a presence channel, over all instances.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) user: String,
    /// By so many.
    pub(crate) sockets: u64,
    /// What is told of them, JSON.
    pub(crate) info: String,
}

impl Rosters {
    pub(crate) fn new(redis: Redis, instance: &str) -> Self {
        Self { redis, instance: instance.into() }
    }

    /// Says how a channel stands here.
    pub(super) async fn say(&self, saying: &Saying<'_>) -> Result<Said, Error> {
        let (channel, listeners) = (saying.channel, saying.listeners);
        if listeners > 0 {
            self.list(channel).await?;
        }
        let (user, sockets, info) = saying
            .person
            .map_or(("", 0, "null"), |(person, sockets)| (&*person.id, sockets, &*person.info));
        let roster = if saying.roster { "roster" } else { "" };
        let arguments: Vec<Value> = vec![
            "say".into(),
            (&*self.instance).into(),
            number(listeners).into(),
            user.into(),
            i64::from(sockets).into(),
            info.into(),
            number(saying.most).into(),
            roster.into(),
            if saying.edges { "edges" } else { "" }.into(),
            if saying.miss { "miss" } else { "" }.into(),
        ];
        let answer = self.run(channel, arguments).await?;
        // Before the channel is taken off this instance's list: whoever has to take it back finds it.
        self.owe(channel, answer.get(5)).await?;
        let said = said(&answer)?;
        if listeners == 0 {
            self.unlist(channel, said.listeners).await?;
        }
        Ok(said)
    }

    /// Takes back all that another instance said of a channel.
    pub(super) async fn drop_out(
        &self,
        channel: &ChannelKey,
        instance: &str,
    ) -> Result<Dropped, Error> {
        let answer = self.run(channel, vec!["drop".into(), instance.into()]).await?;
        self.owe(channel, answer.get(2)).await?;
        let mut left = Vec::new();
        for pair in answer.get(3..).unwrap_or_default().chunks_exact(2) {
            if let [user, version] = pair {
                left.push((text(user)?, unsigned(version)?));
            }
        }
        let dropped = Dropped { listeners: at(answer.get(1))?, left };
        self.delist(channel, dropped.listeners).await?;
        Ok(dropped)
    }

    /// Keeps the newest event of a cache channel; its version.
    ///
    /// # Errors
    /// When Redis does not answer; then it may be kept or not.
    pub(crate) async fn keep(
        &self,
        channel: &ChannelKey,
        frame: &str,
        millis: i64,
    ) -> Result<u64, Error> {
        let answer =
            self.evaluate(channel, vec!["keep".into(), frame.into(), millis.into()]).await?;
        unsigned(&answer)
    }

    /// How a channel stands over all instances; `people` asks for the ids of who is in it.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(crate) async fn read(
        &self,
        channel: &ChannelKey,
        people: bool,
    ) -> Result<Occupancy, Error> {
        let what = if people { "people" } else { "" };
        let answer = self.run(channel, vec!["read".into(), what.into()]).await?;
        let ids = answer.get(3..).unwrap_or_default().iter().map(text).collect::<Result<_, _>>()?;
        Ok(Occupancy {
            listeners: at(answer.first())?,
            people: at(answer.get(1))?,
            kept: kept(answer.get(2))?,
            ids,
        })
    }

    /// Everybody in a presence channel, in no order.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(crate) async fn members(&self, channel: &ChannelKey) -> Result<Vec<Member>, Error> {
        let answer = self.run(channel, vec!["members".into()]).await?;
        let mut members = Vec::with_capacity(answer.len() / 3);
        for of_one in answer.chunks_exact(3) {
            if let [user, sockets, info] = of_one {
                let (user, info) = (text(user)?, text(info)?);
                members.push(Member { user, sockets: unsigned(sockets)?, info });
            }
        }
        Ok(members)
    }

    /// The channels of an app that somebody is in, by name: at most so many of those that begin with
    /// `prefix`, behind `after`.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(crate) async fn occupied(
        &self,
        app: AppId,
        prefix: &str,
        after: Option<&str>,
        most: i64,
    ) -> Result<Vec<ChannelName>, Error> {
        let first = match after {
            Some(after) if after >= prefix => bound(after, ZRangeKind::Exclusive),
            Some(_) | None if prefix.is_empty() => unbound(ZRangeBound::NegInfinityLex),
            Some(_) | None => bound(prefix, ZRangeKind::Inclusive),
        };
        let end = match behind(prefix) {
            Some(end) => bound(&end, ZRangeKind::Exclusive),
            None => unbound(ZRangeBound::InfiniteLex),
        };
        let redis = self.connected()?;
        let names: Vec<String> =
            redis.zrangebylex(app_key(app), first, end, Some((0, most))).await?;
        let names = names.iter().filter(|name| name.starts_with(prefix));
        Ok(names.filter_map(|name| ChannelName::parse(name).ok()).collect())
    }

    /// How many channels of an app somebody is in.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(crate) async fn count(&self, app: AppId) -> Result<u64, Error> {
        self.connected()?.zcard(app_key(app)).await
    }

    /// How many instances are alive.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(crate) async fn alive(&self, now: OffsetDateTime) -> Result<usize, Error> {
        let now = (now.unix_timestamp_nanos() / 1_000_000) as f64;
        self.connected()?.zcount(LEASES, now, f64::INFINITY).await
    }

    /// This instance is alive until `ends`, milliseconds since 1970; whether it was known to be.
    pub(super) async fn renew(&self, ends: i64) -> Result<bool, Error> {
        let redis = self.connected()?;
        let member = (ends as f64, &*self.instance);
        let added: i64 = redis.zadd(LEASES, None, None, false, false, member).await?;
        Ok(added == 0)
    }

    /// Instances whose time is over.
    pub(super) async fn ended(&self, now: i64) -> Result<Vec<String>, Error> {
        let redis = self.connected()?;
        redis.zrangebyscore(LEASES, f64::NEG_INFINITY, now as f64, false, None).await
    }

    /// What an instance spoke of.
    pub(super) async fn channels_of(&self, instance: &str) -> Result<Vec<ChannelKey>, Error> {
        let keys: Vec<String> = self.connected()?.smembers(instance_key(instance)).await?;
        Ok(keys.iter().filter_map(|key| channel_of(key)).collect())
    }

    /// Nothing is left of an instance.
    pub(super) async fn forget(&self, instance: &str) -> Result<(), Error> {
        let redis = self.connected()?;
        redis.del::<(), _>(instance_key(instance)).await?;
        redis.zrem(LEASES, instance).await
    }

    /// This instance.
    pub(super) const fn instance(&self) -> &Arc<str> {
        &self.instance
    }

    /// Before anything is said of the channel, so that whoever has to take it back finds it.
    async fn list(&self, channel: &ChannelKey) -> Result<(), Error> {
        let redis = self.connected()?;
        let ours = redis.sadd::<(), _, _>(instance_key(&self.instance), channel.to_string());
        let apps = self.enlist(redis, channel);
        tokio::try_join!(ours, apps)?;
        Ok(())
    }

    async fn unlist(&self, channel: &ChannelKey, listeners: u64) -> Result<(), Error> {
        let redis = self.connected()?;
        redis.srem::<(), _, _>(instance_key(&self.instance), channel.to_string()).await?;
        self.delist(channel, listeners).await
    }

    /// Takes a vacated channel off its app's list, and puts it back if somebody came meanwhile: they
    /// listed it before they came.
    async fn delist(&self, channel: &ChannelKey, listeners: u64) -> Result<(), Error> {
        if listeners > 0 {
            return Ok(());
        }
        let redis = self.connected()?;
        redis.zrem::<(), _, _>(app_key(channel.app), channel.name.as_str()).await?;
        if self.read(channel, false).await?.listeners > 0 {
            self.enlist(redis, channel).await?;
        }
        Ok(())
    }

    /// All have the same score, so that they stand by name.
    async fn enlist(&self, redis: &Client, channel: &ChannelKey) -> Result<(), Error> {
        let member = (0.0, channel.name.as_str());
        redis.zadd(app_key(channel.app), None, None, false, false, member).await
    }

    /// Has webhooks told of a channel when the script says so; never where it says -1.
    async fn owe(&self, channel: &ChannelKey, due: Option<&Value>) -> Result<(), Error> {
        match due.and_then(Value::as_i64).ok_or_else(unexpected)? {
            due if due >= 0 => self.bring_forward(channel, due).await,
            _ => Ok(()),
        }
    }

    pub(super) async fn run(
        &self,
        channel: &ChannelKey,
        arguments: Vec<Value>,
    ) -> Result<Vec<Value>, Error> {
        match self.evaluate(channel, arguments).await? {
            Value::Array(answer) => Ok(answer),
            _ => Err(unexpected()),
        }
    }

    pub(super) async fn evaluate(
        &self,
        channel: &ChannelKey,
        arguments: Vec<Value>,
    ) -> Result<Value, Error> {
        let key = channel_key(channel);
        CHANNEL.run(self.connected()?, vec![key.as_str()], arguments).await
    }

    pub(super) fn connected(&self) -> Result<&Client, Error> {
        self.redis.connected().ok_or_else(|| Error::new(ErrorKind::IO, "not connected"))
    }
}

fn said(answer: &[Value]) -> Result<Said, Error> {
    let [change, version, before, after, frame, due, missed, people @ ..] = answer else {
        return Err(unexpected());
    };
    let change = match change.as_i64() {
        Some(0) => Change::Nothing,
        Some(1) => Change::Came,
        Some(-1) => Change::Left,
        Some(2) => Change::Full,
        _ => return Err(unexpected()),
    };
    let mut roster = Vec::with_capacity(people.len() / 2);
    for pair in people.chunks_exact(2) {
        if let [id, info] = pair {
            roster.push(Person { id: text(id)?.into(), info: text(info)?.into() });
        }
    }
    Ok(Said {
        change,
        version: unsigned(version)?,
        listeners_before: unsigned(before)?,
        listeners: unsigned(after)?,
        kept: kept(Some(frame))?,
        owes: due.as_i64().is_some_and(|due| due >= 0),
        missed: missed.as_i64() == Some(1),
        roster,
    })
}

fn kept(frame: Option<&Value>) -> Result<Option<Utf8Bytes>, Error> {
    let frame = text(frame.ok_or_else(unexpected)?)?;
    Ok((!frame.is_empty()).then(|| frame.into()))
}

fn at(value: Option<&Value>) -> Result<u64, Error> {
    unsigned(value.ok_or_else(unexpected)?)
}

fn unsigned(value: &Value) -> Result<u64, Error> {
    value.as_i64().map(|number| u64::try_from(number).unwrap_or(0)).ok_or_else(unexpected)
}

pub(super) fn text(value: &Value) -> Result<String, Error> {
    value.as_string().ok_or_else(unexpected)
}

fn unexpected() -> Error {
    Error::new(ErrorKind::Protocol, "the script answered something else")
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The braces put all that is known of a channel into one slot of a cluster.
fn channel_key(channel: &ChannelKey) -> String {
    format!("yard:comms:channel:{{{channel}}}")
}

fn instance_key(instance: &str) -> String {
    format!("yard:comms:channels-of:{instance}")
}

fn app_key(app: AppId) -> String {
    format!("yard:comms:channels:{app}")
}

fn bound(name: &str, kind: ZRangeKind) -> ZRange {
    ZRange { kind, range: ZRangeBound::Lex(name.to_owned()) }
}

fn unbound(range: ZRangeBound) -> ZRange {
    ZRange { kind: ZRangeKind::Inclusive, range }
}

/// The first text behind all that begin with this one, in the order of their bytes, which is that of
/// their characters; `None` where there is none.
fn behind(prefix: &str) -> Option<String> {
    let last = prefix.chars().next_back()?;
    let head = prefix.strip_suffix(last)?;
    // From the last character on, some code points are none.
    let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32)?;
    Some(format!("{head}{next}"))
}

/// As [`ChannelKey`] is written.
pub(super) fn channel_of(text: &str) -> Option<ChannelKey> {
    let (app, name) = text.split_once('/')?;
    let name = ChannelName::parse(name).ok()?;
    Some(ChannelKey { app: AppId::new(app.parse().ok()?), name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_begin_with_a_prefix_lie_before_what_is_behind_it() {
        for (prefix, end) in [
            ("a", Some("b")),
            ("private-", Some("private.")),
            ("#server-to-user-\u{d7ff}", Some("#server-to-user-\u{e000}")),
            ("\u{10ffff}", None),
            ("", None),
        ] {
            assert_eq!(behind(prefix).as_deref(), end);
            assert!(end.is_none_or(|end| *end > *format!("{prefix}\u{10ffff}")));
        }
    }
}
