//! Names of this service's metrics.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};

use crate::inspection::Pace;
use crate::protocol::Incoming;

/// Handles of what is counted often, looked up once.
pub(crate) struct Meters {
    /// Open sockets.
    pub(crate) connections: Gauge,
    /// Channels that sockets and tails are in.
    pub(crate) subscriptions: Gauge,
    /// NATS subscriptions held for them.
    pub(crate) interests: Gauge,
    /// From an event's arrival to its last enqueueing.
    pub(crate) fanout: Histogram,
    /// Events given to sockets.
    pub(crate) events_out: Counter,
    /// Protocol messages given to sockets.
    pub(crate) control_out: Counter,
    /// Numbers the intervals in which apps and channels are counted.
    pub(crate) pace: Pace,
    /// Events from clients.
    client_events: Counter,
}

impl Meters {
    pub(crate) fn new(pace: Pace) -> Self {
        let sent = |kind: &'static str| metrics::counter!("yard_ws_messages_total", "direction" => "out", "kind" => kind);
        Self {
            connections: metrics::gauge!("yard_ws_connections"),
            subscriptions: metrics::gauge!("yard_ws_subscriptions"),
            interests: metrics::gauge!("yard_ws_interests"),
            fanout: metrics::histogram!("yard_ws_fanout_seconds"),
            events_out: sent("event"),
            control_out: sent("control"),
            pace,
            client_events: received("client_event"),
        }
    }

    /// A message from a client.
    pub(crate) fn heard(&self, message: &Incoming) {
        match message {
            Incoming::ClientEvent(_) => self.client_events.increment(1),
            other => heard(other.label()),
        }
    }
}

/// A message from a client that is rare.
pub(crate) fn heard(kind: &'static str) {
    received(kind).increment(1);
}

fn received(kind: &'static str) -> Counter {
    metrics::counter!("yard_ws_messages_total", "direction" => "in", "kind" => kind)
}

/// A socket or tail that did not keep up: `conflated` (events left out) or `closed`.
pub(crate) fn slow(outcome: &'static str, count: u64) {
    metrics::counter!("yard_ws_slow_total", "outcome" => outcome).increment(count);
}

/// A channel that was not joined.
pub(crate) fn join_refused(reason: &'static str) {
    metrics::counter!("yard_ws_joins_refused_total", "reason" => reason).increment(1);
}

/// An app that was asked for and not known here.
pub(crate) fn app_lookup(outcome: &'static str) {
    metrics::counter!("yard_ws_app_lookups_total", "outcome" => outcome).increment(1);
}

/// What became of a ticket.
pub(crate) fn ticket(outcome: &'static str) {
    metrics::counter!("yard_ws_tickets_total", "outcome" => outcome).increment(1);
}

/// A call of the HTTP API.
pub(crate) fn api_call(call: &'static str, status: u16, took: Duration) {
    let status = status.to_string();
    metrics::counter!("yard_ws_api_calls_total", "call" => call, "status" => status).increment(1);
    metrics::histogram!("yard_ws_api_seconds", "call" => call).record(took.as_secs_f64());
}

/// One more trace of an app, or one less.
pub(crate) fn traces(by: f64) {
    metrics::gauge!("yard_ws_traces").increment(by);
}

/// What a trace did not show because its reader could not take it.
pub(crate) fn trace_left_out(count: u64) {
    metrics::counter!("yard_ws_trace_left_out_total").increment(count);
}

/// A connection that this side ended.
pub(crate) fn closed(reason: &'static str) {
    metrics::counter!("yard_ws_closed_total", "reason" => reason).increment(1);
}

/// A live event from the bus that could not be passed on.
pub(crate) fn event_refused(reason: &'static str) {
    metrics::counter!("yard_ws_events_refused_total", "reason" => reason).increment(1);
}

/// Events of a recoverable channel that the broker did not bring: `seen`, `filled`, `lost`, or `unread`
/// while the history is away.
pub(crate) fn hole(outcome: &'static str) {
    metrics::counter!("yard_ws_holes_total", "outcome" => outcome).increment(1);
}

/// A client that came back to a recoverable channel: `whole`, `gap` or `too_much`.
pub(crate) fn recovery(outcome: &'static str) {
    metrics::counter!("yard_ws_recoveries_total", "outcome" => outcome).increment(1);
}

/// An event that a webhook is told of, once for each address.
pub(crate) fn webhook_event(kind: &'static str) {
    metrics::counter!("yard_ws_webhook_events_total", "kind" => kind).increment(1);
}

/// Events that no webhook will be told of: `queue` full, `database` or `broker` away.
pub(crate) fn webhooks_lost(reason: &'static str, count: u64) {
    metrics::counter!("yard_ws_webhook_events_lost_total", "reason" => reason).increment(count);
}

/// Edges of a channel that JetStream did not take, and that are told later.
pub(crate) fn webhooks_postponed() {
    metrics::counter!("yard_ws_webhooks_postponed_total").increment(1);
}
