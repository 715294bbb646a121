use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use prost::Message as _;
use tokio::sync::mpsc;
use yard_contracts::realtime::v1::{RealtimeRefusal, RealtimeTraceEvent, RealtimeTraceKind};
use yard_contracts::subjects;
use yard_contracts::values::timestamp;
use yard_ids::Clock;
use yard_messaging::Nats;
use yard_runtime::{Runtime, TaskKind};

use super::leases::Leases;
use super::pulse::Pace;
use crate::app::{App, AppId};
use crate::channel::ChannelName;
use crate::protocol::Closing;

/// So long after it was asked for an instance tells what it sees.
const LEASE: Duration = Duration::from_secs(15);
/// What was seen and is yet to be told; beyond, it is left out.
const MOST_UNTOLD: usize = 1_024;

/// Notes what only this instance sees of an app: sockets, joins, refusals. Cheap to clone; noting
/// never waits.
#[derive(Clone)]
pub(crate) struct Watch {
    pace: Pace,
    clock: Arc<dyn Clock>,
    leases: Arc<Leases>,
    untold: mpsc::Sender<(AppId, RealtimeTraceEvent)>,
    left_out: Arc<AtomicU32>,
}

/// A join that was turned down.
pub(crate) struct RefusedJoin<'a> {
    /// As it was asked for.
    pub(crate) channel: &'a str,
    pub(crate) socket: &'a str,
    pub(crate) label: &'static str,
    pub(crate) problem: &'static str,
    pub(crate) status: u16,
}

impl Watch {
    /// Tells what it is given over the broker, until the soft stop.
    pub(crate) fn start(pace: Pace, nats: Nats, rt: &Runtime) -> Self {
        let (untold, mut given) = mpsc::channel::<(AppId, RealtimeTraceEvent)>(MOST_UNTOLD);
        let left_out = Arc::<AtomicU32>::default();
        let (soft, missing) = (rt.shutdown().soft().clone(), Arc::clone(&left_out));
        rt.tasks().spawn(TaskKind::Background, "trace notices", async move {
            while let Some(Some((app, mut event))) = soft.run_until_cancelled(given.recv()).await {
                event.left_out = i32::try_from(missing.swap(0, Ordering::Relaxed)).unwrap_or(0);
                let subject = subjects::live_trace(app.number());
                // A trace is told of nothing while the broker is away, as of any event.
                if let Err(error) = nats.publish_live(subject, event.encode_to_vec().into()).await {
                    tracing::debug!(error = %error, "a trace is not told");
                }
            }
            Ok(())
        });
        Self { pace, clock: rt.clock(), leases: Arc::default(), untold, left_out }
    }

    pub(super) const fn pace(&self) -> Pace {
        self.pace
    }

    /// Somebody traces the app: what is seen of it is told for a while.
    pub(super) fn renew(&self, app: AppId) {
        let now = self.pace.millis(Instant::now());
        let lease = u64::try_from(LEASE.as_millis()).unwrap_or(0);
        self.leases.renew(app, now, now + lease);
    }

    /// A socket of the app is open.
    pub(crate) fn opened(&self, app: &App, socket: &str) {
        self.tell(app, || seen(RealtimeTraceKind::Connection, "opened", "", socket));
    }

    /// It has ended, and with it its place in every channel.
    pub(crate) fn ended(&self, app: &App, socket: &str) {
        self.tell(app, || seen(RealtimeTraceKind::Connection, "ended", "", socket));
    }

    pub(crate) fn joined(&self, app: &App, channel: &ChannelName, socket: &str) {
        let kind = RealtimeTraceKind::Subscription;
        self.tell(app, || seen(kind, "joined", channel.as_str(), socket));
    }

    pub(crate) fn left(&self, app: &App, channel: &ChannelName, socket: &str) {
        let kind = RealtimeTraceKind::Subscription;
        self.tell(app, || seen(kind, "left", channel.as_str(), socket));
    }

    pub(crate) fn join_refused(&self, app: &App, join: &RefusedJoin<'_>) {
        let refusal = RealtimeRefusal {
            at: Some(timestamp(self.clock.now())),
            channel: join.channel.to_owned(),
            socket_id: join.socket.to_owned(),
            reason: join.label.to_owned(),
            detail: join.problem.to_owned(),
            code: join.status.into(),
        };
        self.refused(app, refusal);
    }

    /// A socket that was turned away after its app was found.
    pub(crate) fn socket_refused(&self, app: &App, why: Closing) {
        let refusal = RealtimeRefusal {
            at: Some(timestamp(self.clock.now())),
            reason: why.label().to_owned(),
            detail: why.reason().to_owned(),
            code: why.code().into(),
            ..RealtimeRefusal::default()
        };
        self.refused(app, refusal);
    }

    fn refused(&self, app: &App, refusal: RealtimeRefusal) {
        let activity = app.activity();
        activity.refused.add(self.pace.interval(Instant::now()), 1);
        self.tell(app, || RealtimeTraceEvent {
            data: format!("{}: {}", refusal.reason, refusal.detail),
            ..seen(RealtimeTraceKind::Refusal, "refused", &refusal.channel, &refusal.socket_id)
        });
        activity.remember(refusal);
    }

    fn tell(&self, app: &App, event: impl FnOnce() -> RealtimeTraceEvent) {
        if !self.leases.hold(app.id(), || self.pace.millis(Instant::now())) {
            return;
        }
        let event = RealtimeTraceEvent { at: Some(timestamp(self.clock.now())), ..event() };
        if self.untold.try_send((app.id(), event)).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn seen(kind: RealtimeTraceKind, event: &str, channel: &str, socket: &str) -> RealtimeTraceEvent {
    RealtimeTraceEvent {
        kind: kind.into(),
        event: event.to_owned(),
        channel: channel.to_owned(),
        socket_id: socket.to_owned(),
        ..RealtimeTraceEvent::default()
    }
}
