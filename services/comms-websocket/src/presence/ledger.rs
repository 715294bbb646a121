use std::collections::{HashMap, HashSet};
use std::time::Duration;

use fred::error::Error;
use futures::{StreamExt as _, stream};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::sync::{CancellationToken, DropGuard};
use yard_runtime::Runtime;

use super::changes::{Comer, Pending};
use super::lease::Lease;
use super::store::{Change, Said as Stored, Saying};
use super::{Changes, Person, Rosters};
use crate::app::{AppSettings, Apps};
use crate::bus::Said;
use crate::channel::{ChannelKey, Kind};
use crate::hub::Hub;
use crate::watch::Online;
use crate::{protocol, telemetry};

/// Channels that are spoken of at the same time.
const AT_ONCE: usize = 64;
/// After Redis did not answer.
const PAUSE: Duration = Duration::from_millis(500);
/// How often this instance says that it is alive, and looks for those that are not.
const BEAT: Duration = Duration::from_secs(3);
/// Above this many listeners their number is told at most every [`COUNT_PAUSE`].
const MANY: u64 = 100;
const COUNT_PAUSE: Duration = Duration::from_secs(5);

/// Says in Redis who is where on this instance, answers joins that wait for it, and tells everybody
/// of the edges. One task: of a channel nothing is said before the last word on it is answered.
pub(crate) struct Ledger {
    rosters: Rosters,
    apps: Apps,
    hub: Hub,
    changes: Changes,
    online: Online,
    lease: Lease,
    /// Large channels whose number of listeners was told, when, and what it is since.
    counted: HashMap<ChannelKey, (Instant, Option<u64>)>,
    soft: CancellationToken,
}

/// What is to be said of one channel.
#[derive(Default)]
struct Page {
    comers: Vec<Comer>,
    people: HashSet<Box<str>>,
}

/// What is left to do after a channel was spoken of.
enum Outcome {
    Done,
    /// The number of its listeners has changed.
    Counted(ChannelKey, u64),
    /// Redis did not answer.
    Again(Pending),
}

impl Ledger {
    pub(crate) fn new(
        rosters: Rosters,
        apps: Apps,
        hub: Hub,
        (changes, online): (Changes, Online),
        rt: &Runtime,
    ) -> Self {
        let told = (changes.clone(), online.clone());
        let lease = Lease::new(rosters.clone(), hub.clone(), told, rt.clock());
        let soft = rt.shutdown().soft().clone();
        Self { rosters, apps, hub, changes, online, lease, counted: HashMap::new(), soft }
    }

    /// Until the soft stop, and then until the last socket has left; Redis is needed so long, and let
    /// go by `_left`.
    pub(crate) async fn run(mut self, _left: DropGuard) -> anyhow::Result<()> {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let soft = self.soft.clone();
            let leaving = async {
                soft.cancelled().await;
                while !self.hub.is_empty() || !self.online.is_empty() {
                    sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::select! {
                biased;
                pending = self.changes.take() => self.round(pending).await,
                _ = beat.tick() => {
                    self.lease.beat().await;
                    self.tell_counts().await;
                }
                () = leaving => break,
            }
        }
        self.lease.end().await;
        Ok(())
    }

    async fn round(&mut self, pending: Pending) {
        let mut pages: HashMap<ChannelKey, Page> = HashMap::new();
        for channel in pending.counts {
            pages.entry(channel).or_default();
        }
        for (channel, user) in pending.people {
            pages.entry(channel).or_default().people.insert(user);
        }
        for comer in pending.comers {
            let page = pages.entry(comer.live.key().clone()).or_default();
            page.comers.push(comer);
        }
        let this = &*self;
        let spoken = stream::iter(pages).map(|(channel, page)| this.speak(channel, page));
        let outcomes: Vec<Outcome> = spoken.buffer_unordered(AT_ONCE).collect().await;
        let mut failed = false;
        for outcome in outcomes {
            match outcome {
                Outcome::Done => {}
                Outcome::Counted(channel, count) => self.count(&channel, count).await,
                Outcome::Again(left) => {
                    failed = true;
                    self.changes.put_back(left);
                }
            }
        }
        if failed {
            sleep(PAUSE).await;
        }
    }

    /// Says all there is to say of one channel, one thing after the other.
    async fn speak(&self, channel: ChannelKey, page: Page) -> Outcome {
        let settings = self.settings(&channel).await;
        let Page { comers, mut people } = page;
        let (mut before, mut after) = (None, 0);
        for comer in comers {
            if let Some(user) = &comer.user {
                people.remove(user);
            }
            match self.answer(&channel, &comer, settings.max_members).await {
                Ok(said) => {
                    before.get_or_insert(said.listeners_before);
                    after = said.listeners;
                }
                Err(error) => {
                    tracing::warn!(channel = %channel, error = %error, "a join could not be answered");
                    refuse(&comer, UNAVAILABLE);
                }
            }
        }
        // At least once, for the number of listeners.
        let rest: Vec<Option<Box<str>>> = match (people.is_empty(), before) {
            (true, Some(_)) => Vec::new(),
            (true, None) => vec![None],
            (false, _) => people.iter().cloned().map(Some).collect(),
        };
        for user in rest {
            match self.say(&channel, user.as_deref(), settings.max_members, false).await {
                Ok(said) => {
                    before.get_or_insert(said.listeners_before);
                    after = said.listeners;
                }
                Err(error) => {
                    tracing::debug!(channel = %channel, error = %error, "presence is told later");
                    return Outcome::Again(left_over(channel, people));
                }
            }
        }
        let counts = settings.subscription_count && channel.name.kind() != Kind::Presence;
        match before {
            Some(before) if counts && before != after => Outcome::Counted(channel, after),
            _ => Outcome::Done,
        }
    }

    async fn answer(
        &self,
        channel: &ChannelKey,
        comer: &Comer,
        most: usize,
    ) -> Result<Stored, Error> {
        let presence = comer.user.is_some();
        let said = self.say(channel, comer.user.as_deref(), most, presence).await?;
        if said.change == Change::Full {
            refuse(comer, FULL);
            return Ok(said);
        }
        let name = channel.name.as_str();
        let data = if presence {
            protocol::roster(said.roster.iter().map(|person| (&*person.id, &*person.info)))
        } else {
            "{}".to_owned()
        };
        let mut frames = vec![protocol::subscription_succeeded(name, &data)];
        if channel.name.is_cache() {
            frames.push(said.kept.clone().unwrap_or_else(|| protocol::cache_miss(name)));
        }
        comer.live.admit(comer.id, frames, said.version);
        Ok(said)
    }

    /// Says in Redis how things stand here at this moment, and tells everybody of the edge.
    async fn say(
        &self,
        channel: &ChannelKey,
        user: Option<&str>,
        most: usize,
        roster: bool,
    ) -> Result<Stored, Error> {
        let live = self.hub.find(channel);
        let listeners = live.as_ref().map_or(0, |live| live.count());
        let person = user.map(|user| {
            let standing = live.as_ref().map(|live| live.standing(user));
            let (sockets, info) = standing.unwrap_or((0, None));
            (Person { id: user.into(), info: info.unwrap_or_else(|| "null".into()) }, sockets)
        });
        let who = person.as_ref().map(|(person, sockets)| (person, *sockets));
        let saying = Saying { channel, listeners, person: who, most, roster };
        let said = self.rosters.say(&saying).await?;
        if let Some((person, _)) = &person {
            let frame = match said.change {
                Change::Came => {
                    Some(protocol::member_added(channel.name.as_str(), &person.id, &person.info))
                }
                Change::Left => Some(protocol::member_removed(channel.name.as_str(), &person.id)),
                Change::Nothing | Change::Full => None,
            };
            if let Some(frame) = frame {
                tell(&self.hub, channel, frame, said.version).await;
            }
        }
        Ok(said)
    }

    async fn settings(&self, channel: &ChannelKey) -> AppSettings {
        let app = self.apps.by_id(channel.app).await;
        // An app that is gone or cannot be looked up has sockets that leave.
        app.ok().flatten().map(|app| app.with_settings(AppSettings::clone)).unwrap_or_default()
    }

    /// Tells how many listen to a channel.
    async fn count(&mut self, channel: &ChannelKey, count: u64) {
        if let Some((_, held)) = self.counted.get_mut(channel) {
            *held = Some(count);
            return;
        }
        if count > MANY {
            self.counted.insert(channel.clone(), (Instant::now(), None));
        }
        let frame = protocol::subscription_count(channel.name.as_str(), count);
        tell(&self.hub, channel, frame, 0).await;
    }

    /// Tells the numbers that were held back.
    async fn tell_counts(&mut self) {
        let now = Instant::now();
        let due =
            |(_, (at, _)): &(&ChannelKey, &mut (Instant, Option<u64>))| *at + COUNT_PAUSE <= now;
        let over: Vec<(ChannelKey, Option<u64>)> = self
            .counted
            .iter_mut()
            .filter(due)
            .map(|(channel, (_, held))| (channel.clone(), *held))
            .collect();
        for (channel, held) in over {
            self.counted.remove(&channel);
            if let Some(count) = held {
                self.count(&channel, count).await;
            }
        }
    }
}

/// Tells every instance's listeners; what the broker cannot take is missed, as any plain event.
pub(super) async fn tell(hub: &Hub, channel: &ChannelKey, frame: Utf8Bytes, version: u64) {
    let said = Said { event: String::new(), frame, except: None, version };
    if let Err(error) = hub.bus().say(channel, &said).await {
        tracing::warn!(channel = %channel, error = %error, "who came or left could not be told");
        telemetry::event_refused("broker");
    }
}

fn left_over(channel: ChannelKey, people: HashSet<Box<str>>) -> Pending {
    let people = people.into_iter().map(|user| (channel.clone(), user)).collect();
    Pending { people, counts: HashSet::from([channel]), ..Pending::default() }
}

type Answer = (&'static str, &'static str, u16, &'static str);

const FULL: Answer =
    ("LimitReached", "as many people are in this channel as may be", 403, "members");
const UNAVAILABLE: Answer =
    ("Unavailable", "who is in this channel cannot be told now; join again", 503, "unavailable");

fn refuse(comer: &Comer, (kind, problem, status, label): Answer) {
    telemetry::join_refused(label);
    let name = comer.live.name().as_str();
    comer.live.refuse(comer.id, protocol::subscription_error(name, kind, problem, status));
}
