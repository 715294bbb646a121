//! What the device hears, and how it greets and leaves.

use rumqttc::PublishOptions;
use tokio::time::Instant;

use super::Device;
use super::link::{Happening, QOS};
use super::task::LOOK_AROUND;
use super::wire::{self, Order, Receipt};

impl Device {
    pub(super) fn on(&mut self, happening: Happening) {
        match happening {
            Happening::Up => self.greet(),
            Happening::Down(why) => {
                let mut counts = self.tally.counts();
                if self.connected {
                    counts.run.reconnects += 1;
                }
                (counts.connected, counts.trouble) = (false, Some(why));
                self.connected = false;
            }
            Happening::Message(message) if message.topic == self.topics.command.as_bytes() => {
                self.obey(&message.payload);
            }
            Happening::Message(message) if message.topic == self.topics.receipt.as_bytes() => {
                self.note_receipt(&message.payload);
            }
            Happening::Message(_) => {}
        }
    }

    /// Subscribes again at each connection: a broker that lost the session has nothing of it.
    fn greet(&mut self) {
        let online = wire::status(true, self.epoch, Some(self.clock.now()), "");
        let wanted =
            [Some(&self.topics.command), self.limits.receipts.then_some(&self.topics.receipt)];
        let subscribed = wanted
            .into_iter()
            .flatten()
            .all(|topic| self.client.try_subscribe(topic.as_str(), QOS).is_ok());
        let options = PublishOptions::new(QOS).retained();
        let told = self.client.try_publish(self.topics.status.as_str(), online, options).is_ok();
        let mut counts = self.tally.counts();
        counts.connected = true;
        counts.trouble = (!subscribed || !told).then(|| "the connection is congested".to_owned());
        self.connected = true;
        if self.limits.receipts {
            // What was acknowledged by a broker that died may be gone with it.
            let again = self.outbox.repeat_overdue(Instant::now(), LOOK_AROUND);
            counts.run.resent += again as u64;
        }
    }

    fn obey(&mut self, payload: &[u8]) {
        // Not a command at all: there is no id under which it could be refused.
        let Ok(order) = serde_json::from_slice::<Order>(payload) else {
            return;
        };
        let reaction = self.machine.obey(&order, self.clock.now());
        self.reports.extend(reaction.reports);
        if let Some((wait, report)) = reaction.later {
            self.later.push(Box::pin(async move {
                tokio::time::sleep(wait).await;
                report
            }));
        }
        if reaction.carried_out {
            self.tally.counts().run.commands += 1;
            self.next_reading = self.next_reading.min(Instant::now());
        }
    }

    fn note_receipt(&mut self, payload: &[u8]) {
        let Ok(receipt) = serde_json::from_slice::<Receipt>(payload) else {
            return;
        };
        if receipt.epoch != self.epoch {
            return;
        }
        let mut counts = self.tally.counts();
        for sequence in receipt.sequences {
            self.outbox.receipt(sequence);
            counts.run.receipts.insert(sequence);
        }
    }

    /// Says that it goes by its own will; a connection that is away cannot be told.
    pub(super) fn take_leave(&mut self) {
        if !self.connected {
            return;
        }
        let offline = wire::status(false, self.epoch, Some(self.clock.now()), "stopped");
        let options = PublishOptions::new(QOS).retained();
        let told = self.client.try_publish(self.topics.status.as_str(), offline, options);
        if told.is_ok() && self.client.try_disconnect().is_ok() {
            self.tally.counts().connected = false;
        }
    }
}
