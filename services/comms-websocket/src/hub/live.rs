use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::sync::CancellationToken;

use super::ChannelEvent;
use super::course::{Course, Step, is_told};
use super::outbox::{Item, Outbox, Pushed};
use crate::bus::Said;
use crate::channel::{ChannelKey, ChannelName, Kind};
use crate::history::{Page, Position};
use crate::inspection::Pulse;
use crate::presence::Person;
use crate::protocol;
use crate::telemetry::{self, Meters};

/// Events that may wait for one listener whose join is not answered yet.
const MOST_HELD: usize = 1_000;

/// A channel that somebody here is in.
pub(crate) struct Live {
    key: ChannelKey,
    recoverable: bool,
    members: Mutex<Members>,
    abandoned: CancellationToken,
    /// Something that was said here is missing.
    hole: Notify,
}

struct Members {
    course: Course,
    /// The broker knows our interest; until then joins are not confirmed.
    heard: bool,
    by_id: HashMap<u64, Member>,
    /// People here, and by how many sockets each; empty but for presence channels.
    people: HashMap<Box<str>, Here>,
    /// Events that were said in it.
    pulse: Pulse,
}

struct Member {
    outbox: Arc<Outbox>,
    place: Place,
    user: Option<Box<str>>,
}

/// How far a listener is.
enum Place {
    /// What the channel keeps is being read; what is said meanwhile waits.
    Joining { held: Vec<Arc<ChannelEvent>>, recover: Option<Box<Position>> },
    /// It has what the channel kept up to this version, and all that was said up to this offset.
    Joined { after: u64, from: u64 },
}

struct Here {
    info: Arc<str>,
    sockets: u32,
}

/// Who comes into a channel.
pub(super) struct Comer<'a> {
    pub(super) outbox: &'a Arc<Outbox>,
    pub(super) person: Option<Person>,
    /// Where it stood when it was in the channel before.
    pub(super) recover: Option<Box<Position>>,
}

/// The answer to a join that waits.
pub(crate) struct Admission {
    /// `subscription_succeeded`, and what goes with it.
    pub(crate) answer: Vec<Utf8Bytes>,
    /// What the answer holds is of this version.
    pub(crate) version: u64,
    /// In a recoverable channel.
    pub(crate) replay: Option<Replay>,
}

/// What a comer missed.
pub(crate) struct Replay {
    /// Where it begins, what it missed, and whether that is all.
    pub(crate) frames: Vec<Utf8Bytes>,
    /// Where it stands then.
    pub(crate) end: Position,
}

impl Live {
    /// What is said in a `recoverable` channel is followed by its numbers.
    pub(super) fn new(key: ChannelKey, recoverable: bool) -> Self {
        let course = if recoverable { Course::Unplaced } else { Course::Plain };
        let (by_id, people) = (HashMap::new(), HashMap::new());
        let pulse = Pulse::default();
        let members = Mutex::new(Members { course, heard: false, by_id, people, pulse });
        let (abandoned, hole) = (CancellationToken::new(), Notify::new());
        Self { key, recoverable, members, abandoned, hole }
    }

    pub(crate) const fn key(&self) -> &ChannelKey {
        &self.key
    }

    pub(crate) const fn name(&self) -> &ChannelName {
        &self.key.name
    }

    /// Adds a listener; says whether it waits and can be answered now.
    pub(super) fn add(&self, comer: Comer<'_>) -> bool {
        let waits = self.waits();
        let mut members = self.members();
        let Comer { outbox, person, recover } = comer;
        let place = match waits {
            true => Place::Joining { held: Vec::new(), recover },
            false => Place::Joined { after: 0, from: 0 },
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
    pub(super) fn confirm(&self, outbox: &Outbox) -> Option<Option<Box<str>>> {
        let members = self.members();
        let member = members.by_id.get(&outbox.id())?;
        if !members.heard || matches!(member.place, Place::Joining { .. }) {
            return None;
        }
        if self.waits() {
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
                Place::Joining { .. } => waiting.push((*id, member.user.clone())),
                Place::Joined { .. } => self.succeeded(&member.outbox),
            }
        }
        waiting
    }

    /// Whether what is said here is numbered and kept.
    pub(crate) const fn is_recoverable(&self) -> bool {
        self.recoverable
    }

    /// Whether a join is answered with what the channel keeps.
    pub(super) fn waits(&self) -> bool {
        self.recoverable || self.name().is_cache() || self.name().kind() == Kind::Presence
    }

    /// Where a listener that waits stood when it was here before.
    pub(crate) fn recover(&self, id: u64) -> Option<Position> {
        match &self.members().by_id.get(&id)?.place {
            Place::Joining { recover, .. } => recover.as_deref().cloned(),
            Place::Joined { .. } => None,
        }
    }

    /// Answers a join, and gives what was said since the answer was read.
    pub(crate) fn admit(&self, id: u64, admission: Admission) {
        let mut members = self.members();
        let Members { course, by_id, .. } = &mut *members;
        let Some(member) = by_id.get_mut(&id) else { return };
        let Admission { answer, version, replay } = admission;
        for frame in answer {
            member.push(Item::Frame(frame));
        }
        match &mut member.place {
            // It asked again: it has had all that was given here.
            Place::Joined { after, from } => {
                *after = version;
                let from = *from;
                if let Some(at) = course.position() {
                    // Its replay may be ahead of what has been given here.
                    let (epoch, offset) = (Arc::clone(&at.epoch), at.offset.max(from));
                    let at = Position { epoch, offset };
                    member.push(Item::Frame(protocol::position(self.name().as_str(), &at)));
                }
            }
            Place::Joining { held, .. } => {
                let held = std::mem::take(held);
                let end = replay.as_ref().map(|replay| replay.end.clone());
                member.place = Place::Joined {
                    after: version,
                    from: end.as_ref().map_or(0, |end| end.offset),
                };
                if let Some(replay) = replay {
                    member.replay(self.name(), replay);
                }
                for event in held {
                    member.give(&event);
                }
                if let Some(end) = end {
                    self.compare(course, end);
                }
            }
        }
    }

    /// A listener was told where the channel stands.
    fn compare(&self, course: &mut Course, end: Position) {
        match course {
            Course::Unplaced => *course = Course::At(end),
            Course::At(at) if at.epoch != end.epoch => self.hole.notify_one(),
            Course::At(_) | Course::Plain => {}
        }
    }

    /// Turns a join down.
    pub(crate) fn refuse(&self, id: u64, answer: Utf8Bytes) {
        let members = self.members();
        if let Some(member) = members.by_id.get(&id) {
            member.push(Item::Refused(self.key.name.clone(), answer));
        }
    }

    /// Whether the join of a listener is answered.
    pub(crate) fn has_joined(&self, id: u64) -> bool {
        let members = self.members();
        let member = members.by_id.get(&id);
        members.heard && member.is_some_and(|member| matches!(member.place, Place::Joined { .. }))
    }

    /// How much was said in it in the minute before an interval, the protocol's own words left out.
    pub(crate) fn said_before(&self, interval: u64) -> Vec<u32> {
        self.members().pulse.before(interval)
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

    /// Gives to every member what was said in the channel; what was given already, or has something
    /// missing before it, is left.
    pub(super) fn hear(&self, said: Said, meters: &Meters) {
        let mut members = self.members();
        match members.course.follow(said.position.as_ref()) {
            Step::Give => members.spread(ChannelEvent::said(self.name(), said), meters),
            Step::Leave => {}
            Step::Hole => {
                drop(members);
                telemetry::hole("seen");
                self.hole.notify_one();
            }
        }
    }

    /// Resolves when something that was said here is missing.
    pub(super) async fn holed(&self) {
        self.hole.notified().await;
    }

    /// Where the channel stands here; `None` while that is not known.
    pub(super) fn position(&self) -> Option<Position> {
        self.members().course.position().cloned()
    }

    /// Gives what was read of the channel's history and not given yet. What can no longer be read is
    /// told of.
    pub(super) fn fill(&self, page: Page, since: Option<&Position>, meters: &Meters) {
        let mut members = self.members();
        let since = match since {
            Some(since) if page.whole => since,
            Some(_) => return members.begin_anew(self.name(), page.top),
            None => {
                if members.course == Course::Unplaced {
                    members.course = Course::At(page.top);
                }
                return;
            }
        };
        for (offset, kept) in (since.offset + 1..).zip(page.events) {
            let position = Some(Position { epoch: Arc::clone(&since.epoch), offset });
            let said = Said { position, ..Said::kept(kept) };
            if members.course.follow(said.position.as_ref()) == Step::Give {
                telemetry::hole("filled");
                members.spread(ChannelEvent::said(self.name(), said), meters);
            }
        }
    }

    /// Never waits: a full queue is its owner's trouble.
    fn spread(&self, event: ChannelEvent, meters: &Meters) {
        self.members().spread(event, meters);
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
    fn spread(&mut self, event: ChannelEvent, meters: &Meters) {
        let began = Instant::now();
        if !event.event.is_empty() {
            self.pulse.add(meters.pace.interval(began), 1);
        }
        let event = Arc::new(event);
        for member in self.by_id.values_mut() {
            member.give(&event);
        }
        if let Some(at) =
            self.course.position().filter(|at| event.offset != 0 && is_told(at.offset))
        {
            let frame = protocol::position(event.channel.as_str(), at);
            let behind = |member: &&Member| member.is_behind(at.offset);
            self.by_id.values().filter(behind).for_each(|member| member.tell(frame.clone()));
        }
        meters.fanout.record(began.elapsed().as_secs_f64());
    }

    /// What was said before `top` and not given is lost to those who are in the channel.
    fn begin_anew(&mut self, channel: &ChannelName, top: Position) {
        telemetry::hole("lost");
        let frame = protocol::recovery(channel.as_str(), false, &top, 0);
        for member in self.by_id.values_mut() {
            member.tell(frame.clone());
            if let Place::Joined { from, .. } = &mut member.place {
                *from = 0;
            }
        }
        self.course = Course::At(top);
    }

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
        match &mut self.place {
            Place::Joining { held, .. } if held.len() < MOST_HELD => held.push(Arc::clone(event)),
            Place::Joining { .. } => self.outbox.close(protocol::Closing::TooSlow),
            Place::Joined { after, .. } if event.version != 0 && event.version <= *after => {}
            Place::Joined { from, .. } if event.offset != 0 && event.offset <= *from => {}
            Place::Joined { .. } if event.is_from(self.outbox.socket()) => {
                // Whoever counts would be behind by one.
                if let Some(position) = event.position() {
                    self.push(Item::Frame(position));
                }
            }
            Place::Joined { .. } => self.push(Item::Event(Arc::clone(event))),
        }
    }

    /// Whether it had not been given this by its replay.
    const fn is_behind(&self, offset: u64) -> bool {
        matches!(self.place, Place::Joined { from, .. } if from < offset)
    }

    /// Says something of the channel's course; a comer learns it with its answer.
    fn tell(&self, frame: Utf8Bytes) {
        if let Place::Joined { .. } = self.place {
            self.push(Item::Frame(frame));
        }
    }

    fn replay(&self, channel: &ChannelName, replay: Replay) {
        let Replay { frames, end } = replay;
        if !self.outbox.replay(channel, frames) {
            // It was away from more than one socket can be given at once.
            telemetry::recovery("too_much");
            self.push(Item::Frame(protocol::recovery(channel.as_str(), false, &end, 0)));
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
