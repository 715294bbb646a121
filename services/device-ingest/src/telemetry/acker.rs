//! Waits for confirmations in the order of arrival and acknowledges the broker in that order, as
//! MQTT demands.

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use yard_messaging::{Nats, Outgoing, PendingAck};

use crate::mqtt::{AckGate, Acknowledgement};

/// What a message still waits for.
pub(super) enum Settlement {
    /// Nothing.
    Done,
    /// JetStream's confirmation.
    Sent(PendingAck, Outgoing),
    /// It could not even be sent.
    Unsent(Outgoing),
    /// The registry; then one of the others.
    Parked(oneshot::Receiver<Settlement>),
    /// Never to be acknowledged here: the broker shall deliver it again.
    Again,
}

/// A message on its way, in the order of arrival.
pub(super) struct Entry {
    pub(super) acknowledgement: Acknowledgement,
    pub(super) generation: u64,
    pub(super) settlement: Settlement,
}

pub(super) struct Acker {
    pub(super) entries: mpsc::Receiver<Entry>,
    pub(super) gate: AckGate,
    pub(super) nats: Nats,
    /// Leaving: nothing is asked for again.
    pub(super) soft: CancellationToken,
    /// Time is up: what is not confirmed will be delivered again.
    pub(super) hard: CancellationToken,
    /// Cancelled when all is settled, so that the link may leave.
    pub(super) drained: CancellationToken,
}

impl Acker {
    pub(super) async fn run(mut self) -> anyhow::Result<()> {
        // However this ends, the link shall not wait for it.
        let _leave = self.drained.clone().drop_guard();
        let mut generation = self.gate.watch();
        while let Some(entry) = self.entries.recv().await {
            // Of a connection that is gone: the broker delivers it again, under the same id.
            if *generation.borrow_and_update() != entry.generation {
                continue;
            }
            let settled = tokio::select! {
                settled = settle(&self.nats, entry.settlement, &self.hard) => settled,
                () = outlived(&mut generation, entry.generation) => continue,
            };
            if settled {
                self.gate.send(entry.acknowledgement);
            } else if !self.soft.is_cancelled() {
                self.gate.ask_again();
            }
        }
        Ok(())
    }
}

async fn outlived(generation: &mut watch::Receiver<u64>, of: u64) {
    // The sender lives as long as the gate that we hold.
    drop(generation.wait_for(|now| *now != of).await);
}

/// Whether the message is durable, or of no consequence.
async fn settle(nats: &Nats, mut settlement: Settlement, hard: &CancellationToken) -> bool {
    loop {
        match settlement {
            Settlement::Done => return true,
            Settlement::Again => return false,
            Settlement::Unsent(message) => {
                return nats.publish_until_confirmed(&message, hard).await.is_some();
            }
            Settlement::Sent(pending, message) => match pending.confirmed().await {
                Ok(_) => return true,
                Err(error) => {
                    tracing::debug!(error = %error, "not confirmed; publishing again");
                    settlement = Settlement::Unsent(message);
                }
            },
            Settlement::Parked(unparked) => match unparked.await {
                Ok(next) => settlement = next,
                Err(_dropped) => return false,
            },
        }
    }
}
