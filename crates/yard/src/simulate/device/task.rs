//! The device's own task: takes readings, sends them, obeys, and remembers what is still unsure.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use rumqttc::{AsyncClient, EventLoop, LastWill, PublishOptions};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::watch;
use tokio::time::Instant;
use yard_ids::Clock;

use super::link::{self, Happening, QOS, TlsTrust};
use super::machine::Machine;
use super::outbox::{Outbox, Verdict};
use super::source::Source;
use super::wire::{self, Report, Topics};
use crate::enrollment::DeviceIdentity;
use crate::failure::Outcome;
use crate::simulate::pace::Pace;
use crate::simulate::tally::Tally;

/// How often missing receipts are looked for.
pub(super) const LOOK_AROUND: Duration = Duration::from_secs(1);
/// Without a receipt for so long a reading is sent again.
const RECEIPT_PATIENCE: Duration = Duration::from_secs(10);
/// After "nobody listens" or "full" the broker is left alone for a moment.
const BREATHER: Duration = Duration::from_millis(500);
/// Readings kept while the broker is away; then no more are taken.
const MEMORY: usize = 20_000;
/// For DISCONNECT to reach the broker.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What all devices of a run are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::simulate) enum Phase {
    /// Take readings.
    Run,
    /// Take no more, see the rest through.
    Finish,
    /// Leave everything.
    Leave,
}

/// What is the same for all devices of a run.
#[derive(Debug, Clone, Copy)]
pub(in crate::simulate) struct Limits {
    pub(in crate::simulate) pace: Pace,
    /// Unacknowledged publishes at a time.
    pub(in crate::simulate) window: usize,
    /// Readings to take in all.
    pub(in crate::simulate) readings: u64,
    pub(in crate::simulate) receipts: bool,
}

#[derive(Debug, Clone)]
enum Ticket {
    Reading(u64),
    Report(Report),
}

/// A simulated device.
pub(in crate::simulate) struct Device {
    pub(super) limits: Limits,
    pub(super) tally: Tally,
    pub(super) epoch: i64,
    pub(super) topics: Topics,
    pub(super) source: Source,
    pub(super) machine: Machine,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) client: AsyncClient,
    pub(super) outbox: Outbox,
    pub(super) reports: VecDeque<Report>,
    flights: FuturesUnordered<BoxFuture<'static, (Ticket, Verdict)>>,
    pub(super) later: FuturesUnordered<BoxFuture<'static, Report>>,
    pub(super) connected: bool,
    pub(super) taken: u64,
    pub(super) next_reading: Instant,
    pub(super) next_look: Instant,
    pub(super) quiet_until: Instant,
}

impl Device {
    /// Prepares a device; it connects when it runs.
    pub(in crate::simulate) fn new(
        identity: &DeviceIdentity,
        trust: &TlsTrust,
        limits: Limits,
        tally: Tally,
        (source, machine): (Source, Machine),
        clock: Arc<dyn Clock>,
    ) -> Outcome<(Self, EventLoop)> {
        let topics = Topics::of(identity.connection.device_id);
        let epoch = tally.counts().run.epoch;
        let farewell = wire::status(false, epoch, None, "connection-lost");
        let will = LastWill::new(topics.status.as_str(), farewell, QOS, true, None);
        let (client, events) = link::open(identity, trust, will, limits.window)?;
        let now = Instant::now();
        let device = Self {
            limits,
            tally,
            epoch,
            topics,
            source,
            machine,
            clock,
            client,
            outbox: Outbox::new(limits.receipts),
            reports: VecDeque::new(),
            flights: FuturesUnordered::new(),
            later: FuturesUnordered::new(),
            connected: false,
            taken: 0,
            next_reading: now,
            next_look: now,
            quiet_until: now,
        };
        Ok((device, events))
    }

    /// Runs until it has done what it should; `first` is the wait before the first reading.
    pub(in crate::simulate) async fn run(
        mut self,
        events: EventLoop,
        first: Duration,
        phase: watch::Receiver<Phase>,
    ) {
        let (tell, happenings) = mpsc::unbounded_channel();
        // Connecting must not be cut short by a timer of ours, so the two run side by side.
        let mut connection = Box::pin(link::drive(events, tell));
        self.next_reading = Instant::now() + first;
        let mut work = Box::pin(self.work(happenings, phase));
        tokio::select! {
            () = &mut work => {}
            // Only after a disconnect of our own, which `work` begins.
            () = &mut connection => return,
        }
        drop(work);
        // Whoever is away gets no last words; then its will speaks.
        let _away = tokio::time::timeout(LAST_WORDS, connection).await.err();
    }

    async fn work(
        mut self,
        mut happenings: UnboundedReceiver<Happening>,
        mut phase: watch::Receiver<Phase>,
    ) {
        let mut now_phase = *phase.borrow();
        loop {
            self.pump(now_phase);
            let finished = now_phase >= Phase::Finish || self.taken >= self.limits.readings;
            if now_phase == Phase::Leave || (finished && self.is_settled()) {
                break;
            }
            tokio::select! {
                biased;
                Ok(()) = phase.changed() => now_phase = *phase.borrow(),
                Some(happening) = happenings.recv() => self.on(happening),
                Some((ticket, verdict)) = self.flights.next(), if !self.flights.is_empty() => {
                    self.landed(ticket, verdict);
                }
                Some(report) = self.later.next(), if !self.later.is_empty() => {
                    self.reports.push_back(report);
                }
                () = tokio::time::sleep_until(self.next_reading), if !finished && !self.is_full() => {
                    self.take_reading();
                }
                () = tokio::time::sleep_until(self.next_look) => self.look_around(),
            }
        }
        self.take_leave();
    }

    /// Sends what the window allows; in a flood it also takes the readings for it.
    fn pump(&mut self, phase: Phase) {
        if !self.connected || Instant::now() < self.quiet_until {
            return;
        }
        while let Some(report) = self.reports.pop_front() {
            if !self.send_report(&report) {
                self.reports.push_front(report);
                return;
            }
        }
        while self.outbox.in_flight() < self.limits.window {
            let flood = self.limits.pace == Pace::Flood && phase == Phase::Run;
            if flood && self.outbox.waiting() == 0 && self.taken < self.limits.readings {
                self.take_reading();
            }
            let Some((sequence, payload)) = self.outbox.peek() else {
                return;
            };
            let options = PublishOptions::new(QOS);
            let topic = self.topics.telemetry.as_str();
            let Ok(notice) = self.client.try_publish_tracked(topic, payload, options) else {
                return;
            };
            self.outbox.sent(sequence);
            self.track(Ticket::Reading(sequence), notice);
        }
    }

    fn send_report(&mut self, report: &Report) -> bool {
        let Ok(payload) = serde_json::to_vec(report) else {
            return true;
        };
        let options = PublishOptions::new(QOS);
        let topic = self.topics.report.as_str();
        let Ok(notice) = self.client.try_publish_tracked(topic, payload, options) else {
            return false;
        };
        self.track(Ticket::Report(report.clone()), notice);
        true
    }

    fn track(&mut self, ticket: Ticket, notice: rumqttc::PublishNotice) {
        let landed = async move { (ticket, Verdict::of(&notice.wait_async().await)) };
        self.flights.push(Box::pin(landed));
    }

    fn landed(&mut self, ticket: Ticket, verdict: Verdict) {
        if verdict == Verdict::Later {
            self.quiet_until = Instant::now() + BREATHER;
            self.next_look = self.quiet_until;
        }
        match ticket {
            Ticket::Reading(sequence) => {
                self.outbox.landed(sequence, verdict, Instant::now());
                let mut counts = self.tally.counts();
                match verdict {
                    Verdict::Acked => counts.run.acked.insert(sequence),
                    Verdict::Refused => counts.run.refused += 1,
                    Verdict::Again | Verdict::Later => counts.run.resent += 1,
                }
            }
            Ticket::Report(report) => {
                if matches!(verdict, Verdict::Again | Verdict::Later) {
                    self.reports.push_back(report);
                }
            }
        }
    }

    fn take_reading(&mut self) {
        let (sequence, values) = self.source.take(&self.machine);
        let now = self.clock.now();
        let payload = wire::reading(now, self.epoch, sequence, self.limits.receipts, &values);
        self.outbox.push(sequence, payload);
        self.taken = sequence;
        let own = self.machine.interval;
        let wait = self.limits.pace.wait(own, self.source.recording(), self.source.index());
        // From the plan, not from now, so that small delays do not add up; but never in a burst.
        self.next_reading = (self.next_reading + wait).max(Instant::now());
        let mut counts = self.tally.counts();
        counts.run.sent += 1;
        counts.run.last_sequence = sequence;
    }

    fn look_around(&mut self) {
        let now = Instant::now();
        self.next_look = now + LOOK_AROUND;
        if self.limits.receipts && self.connected {
            let again = self.outbox.repeat_overdue(now, RECEIPT_PATIENCE);
            self.tally.counts().run.resent += again as u64;
        }
    }

    /// A flood is driven by [`Self::pump`]; its clock stands still.
    fn is_full(&self) -> bool {
        self.limits.pace == Pace::Flood || self.outbox.len() >= MEMORY
    }

    fn is_settled(&self) -> bool {
        let commands = self.reports.is_empty() && self.later.is_empty();
        self.outbox.len() == 0 && commands && self.flights.is_empty()
    }
}
