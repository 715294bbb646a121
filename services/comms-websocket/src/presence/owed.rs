//! What is owed to webhooks: the edges that `channel.lua` noted, and a list of the channels that have
//! some, by when they are due. The list only says where to look; the channel itself says what for.

use fred::error::Error;
use fred::interfaces::SortedSetsInterface as _;
use fred::types::Value;
use fred::types::sorted_sets::Ordering;
use uuid::Uuid;
use yard_limits::Script;

use super::Rosters;
use super::store::{channel_of, text};
use crate::channel::ChannelKey;

const DUE: &str = "yard:comms:webhooks-due";

/// Takes a channel off the list unless somebody has brought it forward since it was put off.
static STRIKE_OFF: Script = Script::new(
    "if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1])) == tonumber(ARGV[2]) then \
       return redis.call('ZREM', KEYS[1], ARGV[1]) \
     end \
     return 0",
);

/// Edges that were taken to be told.
#[derive(Debug)]
pub(crate) struct Taken {
    /// The same however often they are taken, until they are told.
    pub(crate) id: Uuid,
    /// As `channel.lua` writes them.
    pub(crate) edges: Vec<String>,
}

impl Rosters {
    /// Channels to look at by `now`, milliseconds since 1970; those that wait longest first.
    ///
    /// # Errors
    /// As all of these: when Redis does not answer.
    pub(crate) async fn due(&self, now: i64, most: i64) -> Result<Vec<ChannelKey>, Error> {
        let redis = self.connected()?;
        let limit = Some((0, most));
        let keys: Vec<String> =
            redis.zrangebyscore(DUE, f64::NEG_INFINITY, now as f64, false, limit).await?;
        Ok(keys.iter().filter_map(|key| channel_of(key)).collect())
    }

    /// Nobody has to look at the channel before then.
    pub(crate) async fn put_off(&self, channel: &ChannelKey, until: i64) -> Result<(), Error> {
        let member = (until as f64, channel.to_string());
        self.connected()?.zadd(DUE, None, None, false, false, member).await
    }

    /// The channel is to be looked at by then, or sooner if it was to be.
    pub(crate) async fn bring_forward(&self, channel: &ChannelKey, by: i64) -> Result<(), Error> {
        let (sooner, member) = (Some(Ordering::LessThan), (by as f64, channel.to_string()));
        self.connected()?.zadd(DUE, None, sooner, false, false, member).await
    }

    /// Nothing is owed of a channel that was put off until `claim`.
    pub(crate) async fn strike_off(&self, channel: &ChannelKey, claim: i64) -> Result<(), Error> {
        let arguments: Vec<Value> = vec![channel.to_string().into(), claim.into()];
        STRIKE_OFF.run::<i64>(self.connected()?, vec![DUE], arguments).await.map(drop)
    }

    /// Takes what is due, under an id unless it has one; `None` if there is nothing or somebody else
    /// has it. It is another's after `lease` milliseconds.
    pub(crate) async fn settle(
        &self,
        channel: &ChannelKey,
        id: Uuid,
        lease: i64,
        most: i64,
    ) -> Result<Option<Taken>, Error> {
        let id = id.as_hyphenated().to_string();
        let arguments = vec!["settle".into(), id.into(), lease.into(), most.into()];
        let answer = self.run(channel, arguments).await?;
        let Some((id, edges)) = answer.split_first() else { return Ok(None) };
        let Ok(id) = Uuid::try_parse(&text(id)?) else { return Ok(None) };
        Ok(Some(Taken { id, edges: edges.iter().map(text).collect::<Result<_, _>>()? }))
    }

    /// What was taken under this id has been told.
    pub(crate) async fn told(&self, channel: &ChannelKey, id: Uuid) -> Result<(), Error> {
        let id = id.as_hyphenated().to_string();
        self.evaluate(channel, vec!["told".into(), id.into()]).await.map(drop)
    }

    /// When there is something to settle; `None` if there is nothing.
    pub(crate) async fn next_due(&self, channel: &ChannelKey) -> Result<Option<i64>, Error> {
        let answer = self.evaluate(channel, vec!["due".into()]).await?;
        Ok(answer.as_i64().filter(|due| *due >= 0))
    }

    /// Nobody wants to be told of the channel any more.
    pub(crate) async fn unhook(&self, channel: &ChannelKey) -> Result<(), Error> {
        self.evaluate(channel, vec!["unhook".into()]).await.map(drop)
    }
}
