use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::time::Instant;

use super::frames::PingNumber;
use super::seats::{Recipient, Seats};
use super::{Confirmed, receipt, telemetry};
use crate::budget::Budget;
use crate::channel::ChannelKey;
use crate::hub::Outbox;

/// Acknowledgements of a socket a second, each of up to 100 messages.
const PER_SECOND: u32 = 200;

/// A socket's place as a recipient in one channel; dropping it leaves. It has to go before the socket
/// leaves the channel, so that nothing is sent behind that.
pub(crate) struct Seat {
    confirmed: Confirmed,
    number: u64,
    recipient: Recipient,
}

impl Confirmed {
    /// A socket of this user is in the channel, or about to be: what is owed to them is sent as soon
    /// as the join is answered. `None` where nothing ever is.
    pub(crate) fn sit(
        &self,
        channel: &ChannelKey,
        user: &str,
        outbox: &Arc<Outbox>,
    ) -> Option<Box<Seat>> {
        channel.app.stored()?;
        let recipient = Recipient { channel: channel.clone(), user: user.into() };
        let number = self.seats.add(recipient.clone(), outbox);
        Some(Box::new(Seat { confirmed: self.clone(), number, recipient }))
    }

    /// The pong of a socket, which may acknowledge what was sent to it at level transport.
    pub(crate) fn pong(&self, outbox: &Outbox, payload: &[u8]) {
        if let Some(ping) = PingNumber::of(payload) {
            self.seats().ponged(outbox.id(), ping, self.clock.now());
        }
    }

    fn seats(&self) -> &Seats {
        &self.seats
    }
}

impl Seat {
    /// The client says what it has handled. What is not owed to this user in this channel is passed
    /// over: whoever made it up learns nothing.
    fn acknowledge(&self, data: &RawValue) {
        let Some(ids) = receipt::ids(data) else {
            telemetry::receipts("ignored", 1);
            return;
        };
        self.confirmed.seats.acknowledged(&self.recipient, &ids, self.confirmed.clock.now());
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.confirmed.seats.remove(&self.recipient, self.number);
    }
}

/// Takes the word of a client for what it has handled. Who has no seat, or says too much, is passed
/// over: what is owed is sent again.
pub(crate) fn acknowledge(seat: Option<&Seat>, budget: &mut Budget, data: &RawValue) {
    let allowed = budget.take(PER_SECOND, 1, Instant::now()).is_ok();
    match seat.filter(|_| allowed) {
        Some(seat) => seat.acknowledge(data),
        None => telemetry::receipts("ignored", 1),
    }
}
