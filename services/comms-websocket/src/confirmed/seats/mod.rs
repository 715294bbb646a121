mod state;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use self::state::{Sent, Sitting, State};
use super::frames::{Letter, PingNumber};
use super::telemetry;
use crate::channel::ChannelKey;
use crate::hub::Outbox;

/// Acknowledgements that wait to be written; beyond, they are dropped, and the messages sent again.
const MOST_WAITING: usize = 20_000;

/// Somebody in a channel, as messages are addressed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Recipient {
    pub(super) channel: ChannelKey,
    pub(super) user: Arc<str>,
}

impl Recipient {
    /// The app's number as it is stored.
    pub(super) fn app(&self) -> Option<i64> {
        self.channel.app.stored()
    }
}

/// An acknowledgement that is to be written.
#[derive(Debug, Clone)]
pub(super) struct Receipt {
    pub(super) recipient: Recipient,
    pub(super) id: Uuid,
    pub(super) at: OffsetDateTime,
}

/// Every socket here that is a recipient's, what it was sent, and what is to be done about it.
#[derive(Default)]
pub(super) struct Seats {
    state: Mutex<State>,
    told: Notify,
}

/// What there is to do.
#[derive(Default)]
pub(super) struct Work {
    pub(super) receipts: Vec<Receipt>,
    pub(super) looks: Vec<Recipient>,
    /// When there will be more, if nothing happens.
    pub(super) next: Option<Instant>,
    /// Somebody's join is not answered yet.
    pub(super) coming: bool,
}

/// A message that is to be sent to some seats.
pub(super) struct Parcel {
    pub(super) id: Uuid,
    pub(super) recipient: Recipient,
    pub(super) seq: i64,
    /// Of the seats.
    pub(super) numbers: Vec<u64>,
}

impl Seats {
    /// Whether nobody here can be owed anything.
    pub(super) fn is_empty(&self) -> bool {
        self.state().whose.is_empty()
    }

    /// Something was written down in this channel.
    pub(super) fn wake(&self, channel: &ChannelKey) {
        let mut state = self.state();
        let Some(users) = state.by_channel.get(channel) else { return };
        let woken: Vec<Recipient> = users
            .keys()
            .map(|user| Recipient { channel: channel.clone(), user: Arc::clone(user) })
            .collect();
        state.looks.extend(woken);
        drop(state);
        self.told.notify_one();
    }

    /// Somebody takes a seat; its number.
    pub(super) fn add(&self, recipient: Recipient, outbox: &Arc<Outbox>) -> u64 {
        let mut state = self.state();
        state.last += 1;
        let number = state.last;
        let sitting = Sitting {
            number,
            outbox: Arc::clone(outbox),
            admitted: false,
            sent: BTreeMap::new(),
            pings: 0,
            behind: false,
            full: false,
        };
        let users = state.by_channel.entry(recipient.channel.clone()).or_default();
        users.entry(Arc::clone(&recipient.user)).or_default().push(sitting);
        state.whose.insert(number, recipient);
        state.coming.push(number);
        drop(state);
        self.told.notify_one();
        number
    }

    /// The seat is given up; nothing is sent to it from now on.
    pub(super) fn remove(&self, recipient: &Recipient, number: u64) {
        let mut state = self.state();
        state.whose.remove(&number);
        let Some(users) = state.by_channel.get_mut(&recipient.channel) else { return };
        if let Some(seats) = users.get_mut(&recipient.user) {
            seats.retain(|seat| seat.number != number);
            if seats.is_empty() {
                users.remove(&recipient.user);
            }
        }
        if users.is_empty() {
            state.by_channel.remove(&recipient.channel);
        }
    }

    /// A recipient has acknowledged messages.
    pub(super) fn acknowledged(&self, recipient: &Recipient, ids: &[Uuid], at: OffsetDateTime) {
        let all = ids.iter().map(|&id| Receipt { recipient: recipient.clone(), id, at });
        self.keep(all.collect());
    }

    /// A socket has answered a ping.
    pub(super) fn ponged(&self, outbox: u64, ping: PingNumber, at: OffsetDateTime) {
        let receipts = self.state().arrived(outbox, ping, at);
        self.keep(receipts);
    }

    fn keep(&self, receipts: Vec<Receipt>) {
        if receipts.is_empty() {
            return;
        }
        let mut state = self.state();
        let room = MOST_WAITING.saturating_sub(state.receipts.len());
        let left_out = receipts.len().saturating_sub(room);
        state.receipts.extend(receipts.into_iter().take(room));
        drop(state);
        if left_out > 0 {
            telemetry::receipts("ignored", left_out as u64);
        }
        self.told.notify_one();
    }

    /// Puts back what could not be done.
    pub(super) fn put_back(&self, receipts: Vec<Receipt>, looks: Vec<Recipient>) {
        let mut state = self.state();
        state.receipts.extend(receipts);
        state.looks.extend(looks);
    }

    /// Acknowledgements are written: what they are of is not sent again, and others may follow.
    pub(super) fn settled(&self, receipts: &[Receipt]) {
        let mut state = self.state();
        for Receipt { recipient, id, .. } in receipts {
            let mut full = false;
            for seat in state.seats_of_mut(recipient) {
                seat.sent.retain(|_, sent| sent.id != *id);
                full |= seat.full;
            }
            if full {
                state.looks.insert(recipient.clone());
            }
        }
    }

    /// Resolves when something has happened.
    pub(super) async fn told(&self) {
        self.told.notified().await;
    }

    /// Seats whose join is not answered yet, each with its channel and its queue's number.
    pub(super) fn coming(&self) -> Vec<(u64, ChannelKey, u64)> {
        let mut state = self.state();
        let State { coming, whose, by_channel, .. } = &mut *state;
        let mut found = Vec::with_capacity(coming.len());
        coming.retain(|number| {
            let Some(recipient) = whose.get(number) else { return false };
            let seats = by_channel.get(&recipient.channel).and_then(|u| u.get(&recipient.user));
            let seat = seats.and_then(|seats| seats.iter().find(|seat| seat.number == *number));
            found.extend(seat.map(|s| (*number, recipient.channel.clone(), s.outbox.id())));
            seat.is_some()
        });
        found
    }

    /// Their joins are answered: what is owed to them can be sent.
    pub(super) fn admit(&self, numbers: &HashSet<u64>) {
        let mut state = self.state();
        state.coming.retain(|number| !numbers.contains(number));
        for number in numbers {
            let Some(recipient) = state.whose.get(number).cloned() else { continue };
            for seat in state.seats_of_mut(&recipient) {
                seat.admitted |= seat.number == *number;
            }
            state.looks.insert(recipient);
        }
    }

    /// Takes at most `most` recipients to look after, and all acknowledgements.
    pub(super) fn take(&self, now: Instant, most: usize) -> Work {
        let mut state = self.state();
        state.fall_due(now);
        let receipts = std::mem::take(&mut state.receipts);
        let looks: Vec<Recipient> = state.looks.iter().take(most).cloned().collect();
        for recipient in &looks {
            state.looks.remove(recipient);
        }
        let more = (!state.looks.is_empty()).then_some(now);
        let next = more.or_else(|| state.later.peek().map(|Reverse((at, _))| *at));
        Work { receipts, looks, next, coming: !state.coming.is_empty() }
    }

    /// What of `owed` (in order) is to be sent to which seats of the recipient now. What is owed no
    /// more is forgotten. `most` is how many may be on their way.
    pub(super) fn plan(
        &self,
        recipient: &Recipient,
        owed: &[(i64, Uuid)],
        most: usize,
        now: Instant,
    ) -> Vec<Parcel> {
        let mut state = self.state();
        let mut parcels: Vec<Parcel> = owed
            .iter()
            .map(|&(seq, id)| Parcel { id, seq, recipient: recipient.clone(), numbers: Vec::new() })
            .collect();
        for seat in state.seats_of_mut(recipient).filter(|seat| seat.admitted) {
            seat.sent.retain(|seq, _| owed.binary_search_by_key(seq, |&(seq, _)| seq).is_ok());
            seat.full = owed.len() >= most;
            seat.behind = false;
            for parcel in &mut parcels {
                if seat.sent.get(&parcel.seq).is_none_or(|sent| sent.again <= now) {
                    parcel.numbers.push(seat.number);
                }
            }
        }
        parcels.retain(|parcel| !parcel.numbers.is_empty());
        parcels
    }

    /// Gives a letter to the seats of a parcel that are still there and have room; whether to any.
    /// `pause` is for how long it is not sent again behind so many times.
    pub(super) fn send(
        &self,
        parcel: &Parcel,
        letter: &Arc<Letter>,
        now: Instant,
        pause: impl Fn(u32) -> std::time::Duration,
    ) -> bool {
        let mut state = self.state();
        let (mut any, mut later) = (false, Vec::new());
        for seat in state.seats_of_mut(&parcel.recipient) {
            // Behind what did not fit nothing may go, for the order's sake.
            if !parcel.numbers.contains(&seat.number) || seat.behind {
                continue;
            }
            if !seat.outbox.has_room() {
                seat.behind = true;
                later.push((now + super::delivery::CROWDED, seat.number));
                continue;
            }
            let ping = seat.next_ping(letter.level);
            let number = PingNumber { seat: seat.number, number: ping };
            seat.outbox.deliver(letter, (ping > 0).then_some(number));
            let tries = seat.sent.get(&parcel.seq).map_or(1, |sent| sent.tries.saturating_add(1));
            let again = now + pause(tries);
            seat.sent.insert(parcel.seq, Sent { id: parcel.id, ping, again, tries });
            later.push((again, seat.number));
            any = true;
        }
        state.later.extend(later.into_iter().map(Reverse));
        any
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
