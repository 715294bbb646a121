use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::sync::CancellationToken;

use super::ChannelEvent;
use super::outbox::{Item, Outbox, Pushed};
use crate::bus::Said;
use crate::channel::{ChannelKey, ChannelName};
use crate::inspection::Pulse;
use crate::presence::Person;
use crate::protocol;
use crate::telemetry::{self, Meters};

/// Events that may wait for one listener whose join is not answered yet.
const MOST_HELD: usize = 1_000;

/// A channel that somebody here is in.
pub(crate) struct Live {
    key: ChannelKey,
    members: Mutex<Members>,
    abandoned: CancellationToken,
    /// Events that were said in it.
    pulse: Pulse,
}

struct Members {
    /// The broker knows our interest; until then joins are not confirmed.
    heard: bool,
    by_id: HashMap<u64, Member>,
    /// People here, and by how many sockets each; empty but for presence channels.
    people: HashMap<Box<str>, Here>,
}

struct Member {
    outbox: Arc<Outbox>,
    place: Place,
    user: Option<Box<str>>,
}

/// How far a listener is.
enum Place {
    /// What the channel keeps is being read; what is said meanwhile waits.
    Joining(Vec<Arc<ChannelEvent>>),
    /// It has what the channel kept up to this version.
    Joined { after: u64 },
}

struct Here {
    info: Arc<str>,
    sockets: u32,
}

/// Who comes into a channel.
pub(super) struct Comer<'a> {
    pub(super) outbox: &'a Arc<Outbox>,
    pub(super) person: Option<Person>,
    /// Whether the join is answered by [`Live::admit`], with what the channel keeps.
    pub(super) waits: bool,
}

impl Live {
    pub(super) fn new(key: ChannelKey) -> Self {
        let members = Members { heard: false, by_id: HashMap::new(), people: HashMap::new() };
        Self {
            key,
            members: Mutex::new(members),
            abandoned: CancellationToken::new(),
            pulse: Pulse::default(),
        }
    }

    pub(crate) const fn key(&self) -> &ChannelKey {
        &self.key
    }

    pub(crate) const fn name(&self) -> &ChannelName {
        &self.key.name
    }

    /// Adds a listener; says whether it waits and can be answered now.
    pub(super) fn add(&self, comer: Comer<'_>) -> bool {
        let mut members = self.members();
        let Comer { outbox, person, waits } = comer;
        let place = match waits {
            true => Place::Joining(Vec::new()),
            false => Place::Joined { after: 0 },
        };
        if members.heard && !waits {
            self.succeeded(outbox);
        }
        let user = person.map(|person| members.come(person));
        members.by_id.insert(outbox.id(), Member { outbox: Arc::clone(outbox), place, user });
        members.heard && waits
    }

    /// Takes a listener away: who it was, and whether nobody is left.
    pub(super) fn remove(&self, outbox: &Outbox) -> (Option<Box<str>>, bool) {
        let mut members = self.members();
        let user = members.by_id.remove(&outbox.id()).and_then(|member| member.user);
        if let Some(user) = &user {
            members.go(user);
        }
        (user, members.by_id.is_empty())
    }

    /// Says again that a listener has joined, where that needs nobody's help; else says who it is.
    pub(super) fn confirm(&self, outbox: &Outbox, waits: bool) -> Option<Option<Box<str>>> {
        let members = self.members();
        let member = members.by_id.get(&outbox.id())?;
        if !members.heard || matches!(member.place, Place::Joining(_)) {
            return None;
        }
        if waits {
            return Some(member.user.clone());
        }
        self.succeeded(outbox);
        None
    }

    /// The interest is in place: confirms everyone who joined meanwhile, and returns who waits for
    /// what the channel keeps.
    pub(super) fn begin(&self) -> Vec<(u64, Option<Box<str>>)> {
        let mut members = self.members();
        members.heard = true;
        let mut waiting = Vec::new();
        for (id, member) in &members.by_id {
            match member.place {
                Place::Joining(_) => waiting.push((*id, member.user.clone())),
                Place::Joined { .. } => self.succeeded(&member.outbox),
            }
        }
        waiting
    }

    /// Answers a join with what the channel keeps as of `version`, and gives what was said since.
    pub(crate) fn admit(&self, id: u64, answer: Vec<Utf8Bytes>, version: u64) {
        let mut members = self.members();
        let Some(member) = members.by_id.get_mut(&id) else { return };
        let held = match &mut member.place {
            Place::Joining(held) => std::mem::take(held),
            // It asked again.
            Place::Joined { .. } => Vec::new(),
        };
        member.place = Place::Joined { after: version };
        for frame in answer {
            member.push(Item::Frame(frame));
        }
        for event in held {
            member.give(&event);
        }
    }

    /// Turns a join down.
    pub(crate) fn refuse(&self, id: u64, answer: Utf8Bytes) {
        let members = self.members();
        if let Some(member) = members.by_id.get(&id) {
            member.push(Item::Refused(self.key.name.clone(), answer));
        }
    }

    /// How much was said in it, the protocol's own words left out.
    pub(crate) const fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// The id of a listener's socket.
    pub(crate) fn socket_of(&self, id: u64) -> Option<Box<str>> {
        self.members().by_id.get(&id).map(|member| member.outbox.socket().into())
    }

    /// How many listeners there are here, tails included.
    pub(crate) fn count(&self) -> usize {
        self.members().by_id.len()
    }

    /// By how many sockets somebody is here, and what is told of them.
    pub(crate) fn standing(&self, user: &str) -> (u32, Option<Arc<str>>) {
        let members = self.members();
        let here = members.people.get(user);
        (here.map_or(0, |here| here.sockets), here.map(|here| Arc::clone(&here.info)))
    }

    /// Everybody who is here.
    pub(crate) fn people(&self) -> Vec<Box<str>> {
        self.members().people.keys().cloned().collect()
    }

    /// Gives an event of the live bus to every member.
    pub(super) fn publish(&self, event: &str, data: Bytes, meters: &Meters) {
        match ChannelEvent::new(self.name(), event, data) {
            Some(event) => self.spread(event, meters),
            None => telemetry::event_refused("not_json"),
        }
    }

    /// Gives to every member what was said in the channel.
    pub(super) fn hear(&self, said: Said, meters: &Meters) {
        self.spread(ChannelEvent::said(self.name(), said), meters);
    }

    /// Never waits: a full queue is its owner's trouble.
    fn spread(&self, event: ChannelEvent, meters: &Meters) {
        let began = Instant::now();
        if !event.event.is_empty() {
            self.pulse.add(meters.pace.interval(began), 1);
        }
        let event = Arc::new(event);
        for member in self.members().by_id.values_mut() {
            member.give(&event);
        }
        meters.fanout.record(began.elapsed().as_secs_f64());
    }

    /// Nobody is left: the interest ends.
    pub(super) fn abandon(&self) {
        self.abandoned.cancel();
    }

    pub(super) async fn abandoned(&self) {
        self.abandoned.cancelled().await;
    }

    fn succeeded(&self, outbox: &Outbox) {
        let frame = protocol::subscription_succeeded(self.name().as_str(), "{}");
        // An overflow here is seen by the socket itself, as any other.
        if let Pushed::Overflowed = outbox.push(Item::Frame(frame)) {
            telemetry::slow("closed", 1);
        }
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Members {
    fn come(&mut self, person: Person) -> Box<str> {
        let here = self.people.entry(person.id.clone());
        let here = here.or_insert_with(|| Here { info: Arc::clone(&person.info), sockets: 0 });
        // What was told last is what holds, as the protocol has it.
        here.info = person.info;
        here.sockets += 1;
        person.id
    }

    fn go(&mut self, user: &str) {
        let left = self.people.get_mut(user).map(|here| {
            here.sockets = here.sockets.saturating_sub(1);
            here.sockets
        });
        if left == Some(0) {
            self.people.remove(user);
        }
    }
}

impl Member {
    fn give(&mut self, event: &Arc<ChannelEvent>) {
        if event.except.as_deref().is_some_and(|socket| socket == self.outbox.socket()) {
            return;
        }
        match &mut self.place {
            Place::Joining(held) if held.len() < MOST_HELD => held.push(Arc::clone(event)),
            Place::Joining(_) => self.outbox.close(crate::protocol::Closing::TooSlow),
            Place::Joined { after } if event.version != 0 && event.version <= *after => {}
            Place::Joined { .. } => self.push(Item::Event(Arc::clone(event))),
        }
    }

    fn push(&self, item: Item) {
        match self.outbox.push(item) {
            Pushed::Queued | Pushed::Closed => {}
            Pushed::Conflated(left_out) => telemetry::slow("conflated", left_out),
            Pushed::Overflowed => telemetry::slow("closed", 1),
        }
    }
}
