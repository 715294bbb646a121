use std::sync::Arc;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{KeysInterface as _, SetsInterface as _, SortedSetsInterface as _};
use fred::types::Value;
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

    /// The channels of an app that somebody is in.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(crate) async fn occupied(&self, app: AppId) -> Result<Vec<ChannelName>, Error> {
        let names: Vec<String> = self.connected()?.smembers(app_key(app)).await?;
        Ok(names.iter().filter_map(|name| ChannelName::parse(name).ok()).collect())
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
        let apps = redis.sadd::<(), _, _>(app_key(channel.app), channel.name.as_str());
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
        redis.srem::<(), _, _>(app_key(channel.app), channel.name.as_str()).await?;
        if self.read(channel, false).await?.listeners > 0 {
            redis.sadd::<(), _, _>(app_key(channel.app), channel.name.as_str()).await?;
        }
        Ok(())
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
    format!("yard:comms:occupied:{app}")
}

/// As [`ChannelKey`] is written.
pub(super) fn channel_of(text: &str) -> Option<ChannelKey> {
    let (app, name) = text.split_once('/')?;
    let name = ChannelName::parse(name).ok()?;
    Some(ChannelKey { app: AppId::new(app.parse().ok()?), name })
}
