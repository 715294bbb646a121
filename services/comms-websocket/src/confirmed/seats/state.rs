use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Receipt, Recipient};
use crate::channel::ChannelKey;
use crate::confirmed::frames::PingNumber;
use crate::confirmed::wish::Level;
use crate::hub::Outbox;

/// All that is known of seats.
#[derive(Default)]
pub(super) struct State {
    pub(super) last: u64,
    pub(super) by_channel: HashMap<ChannelKey, HashMap<Arc<str>, Vec<Sitting>>>,
    pub(super) whose: HashMap<u64, Recipient>,
    /// Whose join is not answered yet.
    pub(super) coming: Vec<u64>,
    /// Who may be owed something that was not sent.
    pub(super) looks: HashSet<Recipient>,
    pub(super) receipts: Vec<Receipt>,
    /// When to look after a seat again.
    pub(super) later: BinaryHeap<Reverse<(Instant, u64)>>,
}

/// One socket of a recipient in a channel.
pub(super) struct Sitting {
    pub(super) number: u64,
    pub(super) outbox: Arc<Outbox>,
    pub(super) admitted: bool,
    /// By their order; of these none is sent before its time.
    pub(super) sent: BTreeMap<i64, Sent>,
    pub(super) pings: u64,
    /// There was no room for the next.
    pub(super) behind: bool,
    /// As much is on its way as may be, and more may wait: an acknowledgement makes room.
    pub(super) full: bool,
}

/// A message that was sent to a socket.
pub(super) struct Sent {
    pub(super) id: Uuid,
    /// Which ping came behind it; 0 for none.
    pub(super) ping: u64,
    pub(super) again: Instant,
    pub(super) tries: u32,
}

impl State {
    pub(super) fn seats_of(&self, recipient: &Recipient) -> Option<&Vec<Sitting>> {
        self.by_channel.get(&recipient.channel)?.get(&recipient.user)
    }

    pub(super) fn seats_of_mut(
        &mut self,
        recipient: &Recipient,
    ) -> impl Iterator<Item = &mut Sitting> {
        let users = self.by_channel.get_mut(&recipient.channel);
        users.and_then(|users| users.get_mut(&recipient.user)).into_iter().flatten()
    }

    /// What a pong acknowledges; nothing for one that the socket made up.
    pub(super) fn arrived(
        &mut self,
        outbox: u64,
        ping: PingNumber,
        at: OffsetDateTime,
    ) -> Vec<Receipt> {
        let Some(recipient) = self.whose.get(&ping.seat).cloned() else { return Vec::new() };
        let seat = self.seats_of_mut(&recipient).find(|seat| seat.number == ping.seat);
        let Some(seat) = seat.filter(|seat| seat.outbox.id() == outbox) else { return Vec::new() };
        if ping.number > seat.pings {
            return Vec::new();
        }
        let mut receipts = Vec::new();
        for sent in seat.sent.values_mut().filter(|sent| (1..=ping.number).contains(&sent.ping)) {
            // Told once; it stays until the database has it.
            sent.ping = 0;
            receipts.push(Receipt { recipient: recipient.clone(), id: sent.id, at });
        }
        receipts
    }

    /// Whoever has something to be sent again by now is looked after.
    pub(super) fn fall_due(&mut self, now: Instant) {
        while let Some(&Reverse((at, number))) = self.later.peek() {
            if at > now {
                return;
            }
            self.later.pop();
            let Some(recipient) = self.whose.get(&number).cloned() else { continue };
            let due =
                |seat: &Sitting| seat.behind || seat.sent.values().any(|sent| sent.again <= now);
            let seats = self.seats_of(&recipient);
            if seats.is_some_and(|seats| seats.iter().any(|s| s.number == number && due(s))) {
                self.looks.insert(recipient);
            }
        }
    }
}

impl Sitting {
    /// The number of the ping that goes behind a letter; 0 for none.
    pub(super) const fn next_ping(&mut self, level: Level) -> u64 {
        match level {
            Level::Transport => {
                self.pings += 1;
                self.pings
            }
            Level::App => 0,
        }
    }
}
