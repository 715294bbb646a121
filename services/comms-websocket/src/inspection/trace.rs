use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Message;
use futures::stream::SelectAll;
use futures::{Stream, StreamExt as _, stream};
use prost::Message as _;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use yard_contracts::realtime::v1::{
    ChannelMessage, InspectionQuery, RealtimeTraceEvent, RealtimeTraceKind,
};
use yard_contracts::subjects;
use yard_contracts::values::timestamp;
use yard_fault::{Code, Fault};
use yard_ids::Clock;
use yard_messaging::Nats;
use yard_runtime::Runtime;

use super::filter::Filter;
use super::gather::{Gatherer, count};
use super::seen::{self, Sight};
use crate::app::App;
use crate::budget::Budget;
use crate::channel::ChannelName;
use crate::protocol::Closing;
use crate::telemetry;

/// Traces of one instance at the same time.
const MOST: usize = 64;
/// What is shown a second; a page cannot be read faster.
const PER_SECOND: u32 = 200;
/// What waits for a reader.
const MOST_WAITING: usize = 256;
/// Between two words to the instances that somebody traces the app.
const RENEWAL: Duration = Duration::from_secs(5);
/// How soon a reader is told that something was left out, where nothing else comes.
const TELLING: Duration = Duration::from_secs(1);

pub(super) type Events = Pin<Box<dyn Stream<Item = Result<RealtimeTraceEvent, Status>> + Send>>;

/// Begins traces.
pub(super) struct Tracer {
    nats: Nats,
    gatherer: Gatherer,
    places: Arc<Semaphore>,
    rt: Runtime,
}

/// A trace among those of its app and its instance, for as long as it lives.
struct Place {
    app: Arc<App>,
    _among_all: OwnedSemaphorePermit,
}

/// What is to be traced, and for whom.
pub(super) struct Wish {
    pub(super) app: Arc<App>,
    pub(super) filter: Filter,
    pub(super) sight: Sight,
    pub(super) incident: String,
}

impl Tracer {
    pub(super) fn new(nats: Nats, gatherer: Gatherer, rt: &Runtime) -> Self {
        Self { nats, gatherer, places: Arc::new(Semaphore::new(MOST)), rt: rt.clone() }
    }

    /// What happens after this has returned is shown.
    pub(super) async fn begin(&self, wish: Wish) -> Result<Events, Fault> {
        let Wish { app, filter, sight, incident } = wish;
        let place = self.place(&app)?;
        let number = app.id().number();
        let mut sources = SelectAll::new();
        for subject in [subjects::live_channels(number), subjects::live_trace(number)] {
            sources.push(self.nats.subscribe_live(subject).await.map_err(away)?);
        }
        self.nats.settle().await.map_err(away)?;
        let lease = InspectionQuery { app: number, trace: true, ..InspectionQuery::default() };
        self.gatherer.ask(&lease).await?;
        let (shown, waiting) = mpsc::channel(MOST_WAITING);
        let pump = Pump {
            place,
            filter,
            sight,
            incident,
            shown,
            left_out: 0,
            budget: Budget::new(Instant::now()),
            clock: self.rt.clock(),
            nats: self.nats.clone(),
            lease: lease.encode_to_vec().into(),
        };
        let soft = self.rt.shutdown().soft().clone();
        self.rt.tasks().spawn_request(pump.run(sources, soft));
        let next = |mut waiting: mpsc::Receiver<_>| async move {
            let event = waiting.recv().await?;
            Some((event, waiting))
        };
        Ok(Box::pin(stream::unfold(waiting, next)))
    }

    fn place(&self, app: &Arc<App>) -> Result<Place, Fault> {
        let full = |text: &str| Fault::new(Code::RateLimited).with_public(text);
        let among_all = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_full| full("This instance has as many traces as it may."))?;
        if !app.activity().begin_trace() {
            return Err(full("The app is traced four times already; end one of them first."));
        }
        telemetry::traces(1.0);
        Ok(Place { app: Arc::clone(app), _among_all: among_all })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.app.activity().end_trace();
        telemetry::traces(-1.0);
    }
}

/// Takes from the bus as fast as it comes; what the reader cannot take is counted and left out.
struct Pump {
    place: Place,
    filter: Filter,
    sight: Sight,
    incident: String,
    shown: mpsc::Sender<Result<RealtimeTraceEvent, Status>>,
    left_out: u64,
    budget: Budget,
    clock: Arc<dyn Clock>,
    nats: Nats,
    lease: bytes::Bytes,
}

impl Pump {
    async fn run(
        mut self,
        mut sources: SelectAll<async_nats::Subscriber>,
        soft: CancellationToken,
    ) {
        let (mut renewal, mut telling) = (every(RENEWAL), every(TELLING));
        loop {
            tokio::select! {
                () = soft.cancelled() => break,
                () = self.shown.closed() => break,
                message = sources.next() => match message {
                    Some(message) => self.take(&message),
                    None => break,
                },
                _ = renewal.tick() => {
                    if self.place.app.refusal() == Some(Closing::UnknownApp) {
                        let gone = Fault::new(Code::ResourceNotFound).to_status(&self.incident);
                        drop(self.shown.try_send(Err(gone)));
                        break;
                    }
                    self.renew().await;
                }
                _ = telling.tick() => self.tell_left_out(),
            }
        }
        for mut source in sources {
            if let Err(error) = source.unsubscribe().await {
                tracing::debug!(error = %error, "could not unsubscribe");
            }
        }
    }

    fn take(&mut self, message: &Message) {
        let event = match subjects::channel_of(&message.subject) {
            Some(channel) => self.said(&channel, message),
            None => RealtimeTraceEvent::decode(message.payload.clone()).ok(),
        };
        let Some(event) = event.filter(|event| self.filter.wants(event)) else { return };
        if self.budget.take(PER_SECOND, 1, Instant::now()).is_err() {
            self.leave_out(1);
            return;
        }
        self.show(event);
    }

    fn said(&self, channel: &str, message: &Message) -> Option<RealtimeTraceEvent> {
        if !self.filter.wants_channel(channel) {
            return None;
        }
        let name = ChannelName::parse(channel).ok()?;
        let message = ChannelMessage::decode(message.payload.clone()).ok()?;
        let at = Some(timestamp(self.clock.now()));
        Some(RealtimeTraceEvent { at, ..seen::said(&name, &message, self.sight)? })
    }

    /// With the number of what was left out before it, by us or by the instance that saw it.
    fn show(&mut self, mut event: RealtimeTraceEvent) {
        let missed = u64::try_from(event.left_out).unwrap_or(0) + self.left_out;
        event.left_out = count(missed);
        let itself = u64::from(event.kind() != RealtimeTraceKind::LeftOut);
        match self.shown.try_send(Ok(event)) {
            Ok(()) => self.left_out = 0,
            Err(TrySendError::Full(_)) => {
                self.left_out = missed;
                self.leave_out(itself);
            }
            Err(TrySendError::Closed(_)) => {}
        }
    }

    fn leave_out(&mut self, more: u64) {
        self.left_out += more;
        telemetry::trace_left_out(more);
    }

    fn tell_left_out(&mut self) {
        if self.left_out > 0 {
            let at = Some(timestamp(self.clock.now()));
            let kind = RealtimeTraceKind::LeftOut.into();
            self.show(RealtimeTraceEvent { at, kind, ..RealtimeTraceEvent::default() });
        }
    }

    async fn renew(&self) {
        let subject = subjects::LIVE_INSPECTION.to_owned();
        if let Err(error) = self.nats.publish_live(subject, self.lease.clone()).await {
            tracing::debug!(error = %error, "instances are not asked to tell what they see");
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

fn away(error: yard_messaging::MessagingError) -> Fault {
    Fault::new(Code::ServiceUnavailable).with_source(error)
}
