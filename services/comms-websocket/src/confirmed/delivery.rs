use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use yard_pg::{PgError, PlatformTx};

use super::config::ConfirmedConfig;
use super::frames::Letter;
use super::seats::{Parcel, Receipt, Recipient, Seats, Work};
use super::store::{self, Acknowledged, Content};
use super::wish::Level;
use super::{Confirmed, actor, telemetry};
use crate::app::AppId;
use crate::channel::{ChannelKey, ChannelName};
use crate::hub::Hub;

/// Recipients that are asked for in one query.
const MOST_ASKED: usize = 500;
/// Messages that are in memory to be sent, at the same time.
const MOST_LETTERS: usize = 64;
/// Acknowledgements and notices that come together are dealt with together.
const GATHER: Duration = Duration::from_millis(10);
/// How often joins that are under way are looked at: mostly they are answered within milliseconds, by
/// the broker and Redis, who tell nobody else.
const COMING: Duration = Duration::from_millis(20);
/// A socket without room gets the rest after this.
pub(super) const CROWDED: Duration = Duration::from_millis(250);
/// After the database did not answer.
const PAUSE: Duration = Duration::from_millis(500);
/// Clocks of instances, and the time from a message's id to its commit, differ by less.
const SLACK: time::Duration = time::Duration::seconds(10);

/// Sends what recipients here are owed. One task: it alone knows what it has sent.
pub(super) struct Delivery {
    config: ConfirmedConfig,
    confirmed: Confirmed,
    hub: Hub,
    /// Up to when every message was looked for, told of or not.
    looked: OffsetDateTime,
    /// The next look for those.
    look_at: Instant,
    /// Said once an outage.
    away: bool,
}

impl Delivery {
    pub(super) fn new(config: ConfirmedConfig, confirmed: Confirmed, hub: Hub) -> Self {
        let looked = confirmed.clock.now();
        let look_at = Instant::now() + config.look;
        Self { config, confirmed, hub, looked, look_at, away: false }
    }

    /// Until the soft stop, and then until the last recipient has left: what they acknowledge before
    /// they go elsewhere is not sent to them there.
    pub(super) async fn run(mut self, soft: CancellationToken) -> anyhow::Result<()> {
        let seats = Arc::clone(&self.confirmed.seats);
        let left = async {
            soft.cancelled().await;
            while !seats.is_empty() {
                sleep(COMING).await;
            }
        };
        tokio::pin!(left);
        let mut next = Instant::now();
        loop {
            let told = tokio::select! {
                () = &mut left => break,
                told = timeout_at(next.min(self.look_at), seats.told()) => told.is_ok(),
            };
            if told {
                sleep(GATHER).await;
            }
            next = self.round().await;
        }
        self.last_words().await;
        Ok(())
    }

    /// Does what there is to do; when there will be more.
    async fn round(&mut self) -> Instant {
        self.admit();
        let now = Instant::now();
        let mut work = self.seats().take(now, MOST_ASKED);
        let next = match self.perform(now, &mut work).await {
            Ok(()) => {
                self.away = false;
                work.next.unwrap_or(self.look_at)
            }
            Err(error) => {
                self.seats().put_back(work.receipts, work.looks);
                if !self.away {
                    tracing::warn!(error = %error, "confirmed messages wait for the database");
                }
                self.away = true;
                sleep(PAUSE).await;
                Instant::now()
            }
        };
        if work.coming { next.min(now + COMING) } else { next }
    }

    async fn perform(&mut self, now: Instant, work: &mut Work) -> Result<(), PgError> {
        self.write(&work.receipts).await?;
        work.receipts.clear();
        if now >= self.look_at {
            self.look().await?;
            self.look_at = Instant::now() + self.config.look;
        }
        if work.looks.is_empty() {
            return Ok(());
        }
        self.deliver(&work.looks).await
    }

    /// Acknowledgements of the last moment; what is not written is sent again.
    async fn last_words(&self) {
        let work = self.seats().take(Instant::now(), 0);
        if let Err(error) = self.write(&work.receipts).await {
            tracing::debug!(error = %error, "acknowledgements were not written");
        }
    }

    /// Seats whose socket is in the channel by now.
    fn admit(&self) {
        let joined = |(number, channel, outbox): (u64, ChannelKey, u64)| {
            let live = self.hub.find(&channel)?;
            live.has_joined(outbox).then_some(number)
        };
        let numbers: HashSet<u64> = self.seats().coming().into_iter().filter_map(joined).collect();
        if !numbers.is_empty() {
            self.seats().admit(&numbers);
        }
    }

    /// Finds what no notice told of: the broker was away, or a notice was lost.
    async fn look(&mut self) -> Result<(), PgError> {
        let now = self.confirmed.clock.now();
        if self.seats().is_empty() {
            // Whoever comes is looked after by their own coming.
            self.looked = now;
            return Ok(());
        }
        let mut tx = PlatformTx::begin(&self.confirmed.pg, &actor()).await?;
        let spoken = store::spoken_in(&mut tx, first_id(self.looked - SLACK)).await?;
        tx.commit().await?;
        for (app, channel) in spoken {
            if let (Some(app), Ok(name)) = (AppId::of_stored(app), ChannelName::parse(&channel)) {
                self.confirmed.wake(&ChannelKey { app, name });
            }
        }
        self.looked = now;
        Ok(())
    }

    async fn write(&self, receipts: &[Receipt]) -> Result<(), PgError> {
        if receipts.is_empty() {
            return Ok(());
        }
        let mut all = Acknowledged::default();
        for Receipt { recipient, id, at } in receipts {
            all.ids.push(*id);
            all.users.push(&recipient.user);
            all.apps.push(recipient.app().unwrap_or_default());
            all.channels.push(recipient.channel.name.as_str());
            all.at.push(*at);
        }
        let mut tx = PlatformTx::begin(&self.confirmed.pg, &actor()).await?;
        let took = store::acknowledge(&mut tx, &all).await?;
        tx.commit().await?;
        self.seats().settled(receipts);
        telemetry::receipts("acknowledged", took.len() as u64);
        telemetry::receipts("ignored", receipts.len().saturating_sub(took.len()) as u64);
        for seconds in took {
            telemetry::acknowledged_after(Duration::from_secs_f64(seconds.max(0.0)));
        }
        Ok(())
    }

    /// Sends what these are owed and have not been sent, or long ago.
    async fn deliver(&self, looks: &[Recipient]) -> Result<(), PgError> {
        let most = self.config.in_flight;
        let mut tx = PlatformTx::begin(&self.confirmed.pg, &actor()).await?;
        let owed = store::owed(&mut tx, looks, self.confirmed.clock.now(), most).await?;
        tx.commit().await?;
        let mut by_recipient: Vec<Vec<(i64, Uuid)>> = vec![Vec::new(); looks.len()];
        for row in owed {
            let asked = usize::try_from(row.asked).unwrap_or(usize::MAX);
            if let Some(owed) = by_recipient.get_mut(asked) {
                owed.push((row.seq, row.message_id));
            }
        }
        let now = Instant::now();
        let plan = |(recipient, owed): (&Recipient, &Vec<(i64, Uuid)>)| {
            self.seats().plan(recipient, owed, usize::from(most), now)
        };
        let parcels: Vec<Parcel> = looks.iter().zip(&by_recipient).flat_map(plan).collect();
        for (ids, parcels) in grouped(parcels) {
            self.send(&ids, &parcels).await?;
        }
        Ok(())
    }

    /// Sends parcels, all of the messages `ids`.
    async fn send(&self, ids: &[Uuid], parcels: &[Parcel]) -> Result<(), PgError> {
        let mut tx = PlatformTx::begin(&self.confirmed.pg, &actor()).await?;
        let contents = store::contents(&mut tx, ids).await?;
        tx.commit().await?;
        let contents: HashMap<Uuid, Content> =
            contents.into_iter().map(|content| (content.id, content)).collect();
        let mut letters: HashMap<Uuid, Arc<Letter>> = HashMap::new();
        let (mut sent, mut users) = (Vec::new(), Vec::new());
        let now = Instant::now();
        for parcel in parcels {
            // Cleared away in between.
            let Some(content) = contents.get(&parcel.id) else { continue };
            let letter = letters.entry(parcel.id).or_insert_with(|| letter(parcel, content));
            if self.seats().send(parcel, letter, now, |tries| self.config.pause(tries)) {
                sent.push(parcel.id);
                users.push(&*parcel.recipient.user);
            }
        }
        if sent.is_empty() {
            return Ok(());
        }
        telemetry::receipts("sent", sent.len() as u64);
        let mut tx = PlatformTx::begin(&self.confirmed.pg, &actor()).await?;
        store::mark_sent(&mut tx, (&sent, &users), self.confirmed.clock.now()).await?;
        tx.commit().await
    }

    fn seats(&self) -> &Seats {
        &self.confirmed.seats
    }
}

fn letter(parcel: &Parcel, content: &Content) -> Arc<Letter> {
    // The table holds nothing else.
    let level = Level::parse(&content.level).unwrap_or(Level::App);
    let head = (content.id, content.seq, level);
    Arc::new(Letter::new(&parcel.recipient.channel.name, head, &content.event, &content.data))
}

/// By groups of few messages, each channel's in its order, so that little is in memory at a time.
fn grouped(parcels: Vec<Parcel>) -> Vec<(Vec<Uuid>, Vec<Parcel>)> {
    let mut by_place: BTreeMap<(ChannelKey, i64), Vec<Parcel>> = BTreeMap::new();
    for parcel in parcels {
        let place = (parcel.recipient.channel.clone(), parcel.seq);
        by_place.entry(place).or_default().push(parcel);
    }
    let mut groups: Vec<(Vec<Uuid>, Vec<Parcel>)> = Vec::new();
    for parcels in by_place.into_values() {
        let ids = parcels.first().map(|parcel| parcel.id);
        match groups.last_mut() {
            Some((known, group)) if known.len() < MOST_LETTERS => {
                known.extend(ids);
                group.extend(parcels);
            }
            _ => groups.push((ids.into_iter().collect(), parcels)),
        }
    }
    groups
}

/// The least UUIDv7 of a moment.
fn first_id(at: OffsetDateTime) -> Uuid {
    let millis = u128::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(channel: &str, user: &str, seq: i64) -> Parcel {
        let name = ChannelName::parse(channel).unwrap();
        let channel = ChannelKey { app: AppId::new(1), name };
        let recipient = Recipient { channel, user: user.into() };
        Parcel { id: Uuid::from_u128(seq as u128), recipient, seq, numbers: vec![1] }
    }

    #[test]
    fn groups_hold_few_messages_and_keep_each_channels_order() {
        let both = |seq| [parcel("a", "1", seq), parcel("a", "2", seq)];
        let parcels: Vec<Parcel> = (1..=130).rev().flat_map(both).collect();
        let groups = grouped(parcels);
        let sizes: Vec<usize> = groups.iter().map(|(ids, _)| ids.len()).collect();
        assert_eq!(sizes, [64, 64, 2]);
        let order: Vec<i64> = groups.iter().flat_map(|(_, all)| all).map(|one| one.seq).collect();
        assert!(order.is_sorted() && order.len() == 260);
    }

    #[test]
    fn ids_of_a_moment_are_not_below_its_first() {
        let at = OffsetDateTime::UNIX_EPOCH + time::Duration::milliseconds(1_700_000_000_123);
        let first = first_id(at);
        let millis = first.as_u128() >> 80;
        assert_eq!(millis, 1_700_000_000_123);
    }
}
