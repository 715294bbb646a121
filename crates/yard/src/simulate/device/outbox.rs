//! Readings that the device must not forget yet.
//!
//! A reading leaves when the broker has acknowledged it, or, for a device that asks for receipts,
//! when the platform says that it is stored. Sent in order; what has to be repeated goes first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use rumqttc::{PubAckReason, PublishNoticeError, PublishResult};
use tokio::time::Instant;

/// What became of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The broker has it and somebody listens.
    Acked,
    /// Not taken; worth another try at once, in the next session.
    Again,
    /// Not taken for now: nobody listens, or the broker is full.
    Later,
    /// Never will be.
    Refused,
}

impl Verdict {
    pub(super) fn of(result: &Result<PublishResult, PublishNoticeError>) -> Self {
        match result {
            Ok(PublishResult::Qos1(ack)) => Self::of_reason(ack.reason),
            Err(PublishNoticeError::V5PubAck(reason)) => Self::of_reason(*reason),
            Ok(_) | Err(_) => Self::Again,
        }
    }

    const fn of_reason(reason: PubAckReason) -> Self {
        match reason {
            PubAckReason::Success => Self::Acked,
            // The broker has thrown it away: device-ingest's subscription is not there.
            PubAckReason::NoMatchingSubscribers
            | PubAckReason::QuotaExceeded
            | PubAckReason::PacketIdentifierInUse
            | PubAckReason::UnspecifiedError
            | PubAckReason::ImplementationSpecificError => Self::Later,
            PubAckReason::NotAuthorized
            | PubAckReason::TopicNameInvalid
            | PubAckReason::PayloadFormatInvalid => Self::Refused,
        }
    }
}

#[derive(Debug)]
struct Entry {
    payload: Bytes,
    /// When the broker acknowledged it; the receipt is still missing.
    acked_at: Option<Instant>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Outbox {
    entries: BTreeMap<u64, Entry>,
    ready: BTreeSet<u64>,
    in_flight: usize,
    wants_receipts: bool,
}

impl Outbox {
    pub(super) fn new(wants_receipts: bool) -> Self {
        Self { entries: BTreeMap::new(), ready: BTreeSet::new(), in_flight: 0, wants_receipts }
    }

    pub(super) fn push(&mut self, sequence: u64, payload: Vec<u8>) {
        let payload = payload.into();
        self.entries.insert(sequence, Entry { payload, acked_at: None });
        self.ready.insert(sequence);
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many are on their way to the broker.
    pub(super) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How many wait to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.ready.len()
    }

    /// The lowest sequence to be sent.
    pub(super) fn peek(&self) -> Option<(u64, Bytes)> {
        let sequence = *self.ready.first()?;
        self.entries.get(&sequence).map(|entry| (sequence, entry.payload.clone()))
    }

    /// The one that [`Self::peek`] gave is on its way.
    pub(super) fn sent(&mut self, sequence: u64) {
        self.ready.remove(&sequence);
        self.in_flight += 1;
    }

    /// A publish has come to its end.
    pub(super) fn landed(&mut self, sequence: u64, verdict: Verdict, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match verdict {
            Verdict::Acked if self.wants_receipts => {
                if let Some(entry) = self.entries.get_mut(&sequence) {
                    entry.acked_at = Some(now);
                }
            }
            Verdict::Acked | Verdict::Refused => {
                self.entries.remove(&sequence);
            }
            // A receipt may have come in the meantime; then there is nothing left to send.
            Verdict::Again | Verdict::Later => {
                if self.entries.contains_key(&sequence) {
                    self.ready.insert(sequence);
                }
            }
        }
    }

    /// The platform has stored it.
    pub(super) fn receipt(&mut self, sequence: u64) {
        self.entries.remove(&sequence);
        self.ready.remove(&sequence);
    }

    /// Sends again what the broker took longer than `patience` ago without a receipt since;
    /// returns how many.
    pub(super) fn repeat_overdue(&mut self, now: Instant, patience: Duration) -> usize {
        let before = self.ready.len();
        for (sequence, entry) in &mut self.entries {
            if entry.acked_at.is_some_and(|at| now.duration_since(at) >= patience) {
                entry.acked_at = None;
                self.ready.insert(*sequence);
            }
        }
        self.ready.len() - before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send_all(outbox: &mut Outbox) -> Vec<u64> {
        let mut sent = Vec::new();
        while let Some((sequence, _)) = outbox.peek() {
            outbox.sent(sequence);
            sent.push(sequence);
        }
        sent
    }

    fn filled(wants_receipts: bool) -> Outbox {
        let mut outbox = Outbox::new(wants_receipts);
        (1..=4).for_each(|sequence| outbox.push(sequence, vec![0]));
        assert_eq!(send_all(&mut outbox), [1, 2, 3, 4]);
        outbox
    }

    #[test]
    fn outbox_repeats_what_was_not_taken_before_anything_newer() {
        let (mut outbox, now) = (filled(false), Instant::now());
        outbox.push(5, vec![0]);
        outbox.landed(1, Verdict::Acked, now);
        outbox.landed(3, Verdict::Later, now);
        outbox.landed(2, Verdict::Again, now);
        outbox.landed(4, Verdict::Refused, now);
        assert_eq!(outbox.in_flight(), 0);
        assert_eq!(send_all(&mut outbox), [2, 3, 5]);
        assert_eq!(outbox.len(), 3);
    }

    #[test]
    fn outbox_with_receipts_forgets_nothing_on_an_acknowledgement_alone() {
        let (mut outbox, now) = (filled(true), Instant::now());
        (1..=4).for_each(|sequence| outbox.landed(sequence, Verdict::Acked, now));
        outbox.receipt(2);
        assert_eq!(outbox.len(), 3);
        let patience = Duration::from_secs(5);
        assert_eq!(outbox.repeat_overdue(now + patience / 2, patience), 0);
        assert_eq!(outbox.repeat_overdue(now + patience, patience), 3);
        assert_eq!(outbox.repeat_overdue(now + patience, patience), 0);
        assert_eq!(send_all(&mut outbox), [1, 3, 4]);
    }

    #[test]
    fn outbox_receipt_before_the_acknowledgement_ends_the_matter() {
        let (mut outbox, now) = (filled(true), Instant::now());
        outbox.receipt(1);
        outbox.landed(1, Verdict::Acked, now);
        outbox.receipt(2);
        outbox.landed(2, Verdict::Again, now);
        assert_eq!((outbox.len(), outbox.waiting(), outbox.in_flight()), (2, 0, 2));
    }

    #[test]
    fn acknowledgement_without_a_listener_is_none() {
        let of = |reason| Verdict::of(&Err(PublishNoticeError::V5PubAck(reason)));
        assert_eq!(of(PubAckReason::NoMatchingSubscribers), Verdict::Later);
        assert_eq!(of(PubAckReason::NotAuthorized), Verdict::Refused);
        assert_eq!(Verdict::of(&Err(PublishNoticeError::SessionReset)), Verdict::Again);
    }
}
