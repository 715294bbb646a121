use std::collections::{HashSet, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures::task::AtomicWaker;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::ChannelEvent;
use crate::channel::ChannelName;
use crate::confirmed::{Letter, PingNumber};
use crate::protocol::Closing;

/// A queue larger than this is given back when it runs empty.
const KEPT_CAPACITY: usize = 16;

/// Something for one listener.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    /// A message of the protocol.
    Frame(Utf8Bytes),
    /// An event of a channel.
    Event(Arc<ChannelEvent>),
    /// A confirmed message, and the ping behind it where its pong acknowledges it.
    Confirmed(Arc<Letter>, Option<PingNumber>),
    /// A join that was turned down, and what is said of it.
    Refused(ChannelName, Utf8Bytes),
    /// What a comer missed.
    Replay(ChannelName, Vec<Utf8Bytes>),
}

/// A socket's replays together may be so many times what else may wait for it: they come at once, by
/// its own wish.
const REPLAYS: usize = 4;

impl Item {
    fn len(&self) -> usize {
        match self {
            Self::Frame(frame) | Self::Refused(_, frame) => frame.len(),
            Self::Event(event) => event.frame.len(),
            Self::Replay(_, frames) => frames.iter().map(|frame| frame.len()).sum(),
            Self::Confirmed(letter, _) => letter.len(),
        }
    }

    const fn is_replay(&self) -> bool {
        matches!(self, Self::Replay(..))
    }

    fn conflates(&self) -> Option<&ChannelName> {
        match self {
            Self::Event(event) if event.conflates => Some(&event.channel),
            Self::Event(_)
            | Self::Frame(_)
            | Self::Confirmed(..)
            | Self::Refused(..)
            | Self::Replay(..) => None,
        }
    }
}

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
}

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    Queued,
    /// Queued, and so many older events of the same kind left out.
    Conflated(u64),
    /// There is no room: the listener is closed.
    Overflowed,
    /// The listener is on its way out already.
    Closed,
}

/// What waits for one listener: bounded, and nobody who adds to it ever waits. One task takes from it
/// and waits for it.
pub(crate) struct Outbox {
    id: u64,
    socket: Box<str>,
    limits: Limits,
    state: Mutex<State>,
    owner: AtomicWaker,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Item>,
    /// Of all but replays.
    bytes: usize,
    replayed: usize,
    closing: Option<Closing>,
}

impl Outbox {
    pub(crate) fn new(id: u64, limits: Limits, socket: &str) -> Self {
        let owner = AtomicWaker::new();
        Self { id, socket: socket.into(), limits, state: Mutex::default(), owner }
    }

    /// The socket's id; empty for what is none.
    pub(crate) const fn socket(&self) -> &str {
        &self.socket
    }

    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn push(&self, item: Item) -> Pushed {
        let mut state = self.state();
        if state.closing.is_some() {
            return Pushed::Closed;
        }
        let mut left_out = 0;
        if state.is_full(&item, self.limits) {
            left_out = state.conflate(&item);
            if state.is_full(&item, self.limits) {
                self.end(&mut state, Closing::TooSlow);
                return Pushed::Overflowed;
            }
        }
        state.bytes += item.len();
        self.put(state, item);
        if left_out > 0 { Pushed::Conflated(left_out) } else { Pushed::Queued }
    }

    /// Queues what a comer missed; `false` where this socket is given too much already.
    pub(super) fn replay(&self, channel: &ChannelName, frames: Vec<Utf8Bytes>) -> bool {
        let item = Item::Replay(channel.clone(), frames);
        let mut state = self.state();
        if state.closing.is_some() {
            return true;
        }
        let replayed = state.replayed + item.len();
        if replayed > self.limits.bytes * REPLAYS {
            return false;
        }
        state.replayed = replayed;
        self.put(state, item);
        true
    }

    fn put(&self, mut state: MutexGuard<'_, State>, item: Item) {
        state.queue.push_back(item);
        let first = state.queue.len() == 1;
        // Whom this wakes asks for the same lock.
        drop(state);
        if first {
            self.owner.wake();
        }
    }

    /// Queues a message of the protocol.
    pub(crate) fn say(&self, frame: Utf8Bytes) {
        if self.push(Item::Frame(frame)) == Pushed::Overflowed {
            crate::telemetry::slow("closed", 1);
        }
    }

    /// Queues a confirmed message.
    pub(crate) fn deliver(&self, letter: &Arc<Letter>, ping: Option<PingNumber>) {
        if self.push(Item::Confirmed(Arc::clone(letter), ping)) == Pushed::Overflowed {
            crate::telemetry::slow("closed", 1);
        }
    }

    /// Whether half of the queue is free. What can wait elsewhere takes no more than the other half,
    /// so that it closes no socket.
    pub(crate) fn has_room(&self) -> bool {
        let state = self.state();
        state.queue.len() < self.limits.items / 2 && state.bytes < self.limits.bytes / 2
    }

    pub(crate) fn pop(&self) -> Option<Item> {
        let mut state = self.state();
        let item = state.queue.pop_front()?;
        match item.is_replay() {
            true => state.replayed -= item.len(),
            false => state.bytes -= item.len(),
        }
        if state.queue.is_empty() && state.queue.capacity() > KEPT_CAPACITY {
            state.queue = VecDeque::new();
        }
        Some(item)
    }

    /// Takes out what waits of a channel: after leaving, nothing of it may arrive.
    pub(super) fn forget(&self, channel: &ChannelName) {
        let mut state = self.state();
        state.keep(|item| match item {
            Item::Event(event) => event.channel != *channel,
            Item::Replay(of, _) => of != channel,
            Item::Confirmed(letter, _) => letter.channel != *channel,
            Item::Frame(_) | Item::Refused(..) => true,
        });
    }

    /// Ends the listener. The first reason stands.
    pub(crate) fn close(&self, why: Closing) {
        let mut state = self.state();
        if state.closing.is_none() {
            self.end(&mut state, why);
        }
    }

    pub(crate) fn closing(&self) -> Option<Closing> {
        self.state().closing
    }

    /// Resolves when something waits or the end has come.
    pub(crate) async fn filled(&self) {
        self.when(|state| (!state.queue.is_empty() || state.closing.is_some()).then_some(())).await;
    }

    /// Resolves when the listener has to end.
    pub(crate) async fn ended(&self) -> Closing {
        self.when(|state| state.closing).await
    }

    async fn when<T>(&self, ready: impl Fn(&State) -> Option<T>) -> T {
        poll_fn(|context| {
            // Before the look, so that what comes right after it is not missed.
            self.owner.register(context.waker());
            ready(&self.state()).map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    fn end(&self, state: &mut State, why: Closing) {
        state.closing = Some(why);
        state.queue = VecDeque::new();
        (state.bytes, state.replayed) = (0, 0);
        self.owner.wake();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_full(&self, item: &Item, limits: Limits) -> bool {
        // One item alone is always taken, however large.
        let bytes = !self.queue.is_empty() && self.bytes + item.len() > limits.bytes;
        bytes || self.queue.len() >= limits.items
    }

    /// Keeps the newest conflating event of each channel, `coming` included; says how many went.
    fn conflate(&mut self, coming: &Item) -> u64 {
        let mut newer: HashSet<ChannelName> = coming.conflates().cloned().into_iter().collect();
        let before = self.queue.len();
        let mut kept: VecDeque<Item> = VecDeque::with_capacity(before);
        for item in self.queue.drain(..).rev() {
            let stays = item.conflates().is_none_or(|channel| newer.insert(channel.clone()));
            if stays {
                kept.push_front(item);
            } else {
                self.bytes -= item.len();
            }
        }
        self.queue = kept;
        (before - self.queue.len()) as u64
    }

    fn keep(&mut self, stays: impl Fn(&Item) -> bool) {
        self.queue.retain(stays);
        let (replays, rest): (Vec<&Item>, Vec<&Item>) =
            self.queue.iter().partition(|item| item.is_replay());
        self.replayed = replays.into_iter().map(Item::len).sum();
        self.bytes = rest.into_iter().map(Item::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use yard_contracts::subjects::live;

    use super::*;

    fn event(channel: &str, kind: &str, n: u32) -> Item {
        let channel = ChannelName::parse(channel).unwrap();
        Item::Event(Arc::new(
            ChannelEvent::new(&channel, kind, Bytes::from(n.to_string())).unwrap(),
        ))
    }

    fn outbox(items: usize) -> Outbox {
        Outbox::new(1, Limits { items, bytes: 100_000 }, "1.1")
    }

    fn drain(outbox: &Outbox) -> Vec<String> {
        std::iter::from_fn(|| outbox.pop())
            .map(|item| match item {
                Item::Frame(frame) | Item::Refused(_, frame) => frame.to_string(),
                Item::Replay(_, frames) => frames.iter().map(|frame| frame.as_str()).collect(),
                Item::Confirmed(letter, _) => letter.event.to_string(),
                Item::Event(e) => {
                    format!("{}:{}", e.channel, e.data())
                }
            })
            .collect()
    }

    #[test]
    fn full_queue_keeps_the_newest_reading_of_each_channel_and_every_other_event_in_order() {
        let outbox = outbox(6);
        for n in 0..2 {
            outbox.push(event("a", live::TELEMETRY_RECEIVED, n));
            outbox.push(event("b", live::TELEMETRY_RECEIVED, n));
        }
        outbox.push(event("a", live::COMMAND_CHANGED, 7));
        outbox.push(event("a", live::TELEMETRY_RECEIVED, 2));
        let pushed = outbox.push(event("a", live::TELEMETRY_RECEIVED, 3));
        assert_eq!(pushed, Pushed::Conflated(4));
        assert_eq!(drain(&outbox), ["b:1", "a:7", "a:3"]);
    }

    #[test]
    fn queue_full_of_what_cannot_be_left_out_closes_its_owner_once() {
        let outbox = outbox(3);
        for n in 0..3 {
            assert_eq!(outbox.push(event("a", live::COMMAND_CHANGED, n)), Pushed::Queued);
        }
        assert_eq!(outbox.push(event("a", live::COMMAND_CHANGED, 3)), Pushed::Overflowed);
        assert_eq!(outbox.closing(), Some(Closing::TooSlow));
        assert_eq!(outbox.push(event("a", live::COMMAND_CHANGED, 4)), Pushed::Closed);
        outbox.close(Closing::Draining);
        assert_eq!(outbox.closing(), Some(Closing::TooSlow));
        assert!(outbox.pop().is_none());
    }

    #[test]
    fn bytes_are_bounded_and_counted_back() {
        let outbox = Outbox::new(1, Limits { items: 1_000, bytes: 200 }, "1.1");
        while outbox.push(event("a", live::COMMAND_CHANGED, 1)) == Pushed::Queued {
            assert!(outbox.state().bytes <= 200);
        }
        assert_eq!(outbox.closing(), Some(Closing::TooSlow));
        let outbox = self::outbox(10);
        outbox.push(event("a", live::COMMAND_CHANGED, 1));
        outbox.push(event("b", live::COMMAND_CHANGED, 1));
        outbox.forget(&ChannelName::parse("a").unwrap());
        assert_eq!(drain(&outbox), ["b:1"]);
        assert_eq!(outbox.state().bytes, 0);
    }

    #[tokio::test]
    async fn waiting_for_a_filled_or_ended_outbox_ends() {
        let outbox = outbox(3);
        outbox.say(crate::protocol::PING);
        outbox.filled().await;
        outbox.close(Closing::Draining);
        outbox.filled().await;
        assert_eq!(outbox.ended().await, Closing::Draining);
    }
}
