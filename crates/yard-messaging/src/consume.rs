use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use async_nats::jetstream::{AckKind, Message};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use yard_fault::{AckDecision, Fault};
use yard_runtime::trace::TRACEPARENT;

use crate::dead_letter::{self, Reason};
use crate::{MESSAGE_ID, MessagingError, Nats};

/// A durable consumer. Several processes may run the same one; each message goes to one of them.
#[derive(Debug, Clone)]
pub struct ConsumerSpec {
    /// Name of the stream, from `yard_contracts::streams`.
    pub stream: &'static str,
    /// Durable name.
    pub name: &'static str,
    /// Empty for the whole stream.
    pub filter: String,
    /// Redelivered when not acknowledged for so long.
    pub ack_wait: Duration,
    /// Delivered and unacknowledged, over all processes.
    pub max_ack_pending: i64,
    /// Most messages of one batch.
    pub max_batch: usize,
}

/// A message as delivered.
#[derive(Debug)]
pub struct Delivery {
    /// What was published.
    pub payload: Bytes,
    /// Where to.
    pub subject: String,
    /// The sender's id for it.
    pub message_id: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// 1 for the first time.
    pub attempt: i64,
    /// Position in the stream.
    pub stream_sequence: u64,
    /// When the broker had it.
    pub published_at: OffsetDateTime,
}

/// What becomes of a delivery.
#[derive(Debug)]
pub enum Outcome {
    /// Done, durably.
    Done,
    /// Not now: the same message may well work after this delay. Not counted against it, short of
    /// a thousand times.
    Later(Duration),
    /// It failed. By the fault's class it is tried again, or goes to the dead letters.
    Failed(Fault),
    /// It goes to the dead letters, whatever the fault's class: its time is over.
    GivenUp(Fault),
}

/// Handles batches; answers one outcome for each delivery, in the same order.
pub trait BatchHandler: Send + 'static {
    /// Called with at least one delivery.
    fn handle(&mut self, batch: &[Delivery]) -> impl Future<Output = Vec<Outcome>> + Send;
}

/// Attempts after which a retryable failure is given up.
const MOST_FAILURES: i64 = 8;
/// A message that comes so often may be one that kills its handler: it is handled alone, so that
/// it takes nobody with it. A long outage makes messages come often as well.
const SUSPECT_DELIVERIES: i64 = 20;
/// Hours of an outage, or a thousand dead processes: then it is given up.
const MOST_DELIVERIES: i64 = 1_000;

/// Pulls and handles until `stop`; the batch in hand is finished first. Losing the broker, or the
/// pull, only makes it begin again.
///
/// # Errors
/// Never by a passing fault; the return type fits a task.
pub async fn consume<H: BatchHandler>(
    nats: Nats,
    spec: ConsumerSpec,
    mut handler: H,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut pause = FIRST_PAUSE;
    while !stop.is_cancelled() {
        let pulled = pull_until_broken(&nats, &spec, &mut handler, &stop).await;
        pause = rest(&spec, pulled, pause, &stop).await;
    }
    Ok(())
}

/// Before a pull that broke is begun again; doubled for each that breaks at once.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Rests after a pull that broke; how long to rest after the next.
pub(crate) async fn rest(
    spec: &ConsumerSpec,
    pulled: Result<(), MessagingError>,
    pause: Duration,
    stop: &CancellationToken,
) -> Duration {
    let Err(error) = pulled else { return FIRST_PAUSE };
    tracing::warn!(consumer = spec.name, error = %error, "pull again");
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = stop.cancelled() => {}
    }
    (pause * 2).min(Duration::from_secs(5))
}

/// Makes the consumer if it is missing, and begins to pull.
pub(crate) async fn open(nats: &Nats, spec: &ConsumerSpec) -> Result<pull::Stream, MessagingError> {
    let refused = |source: Box<dyn std::error::Error + Send + Sync>| MessagingError::SetUp {
        what: format!("consumer {}", spec.name),
        source,
    };
    let stream =
        nats.jetstream().get_stream(spec.stream).await.map_err(|e| refused(Box::new(e)))?;
    let consumer = stream.create_consumer(config(spec)).await.map_err(|e| refused(Box::new(e)))?;
    consumer
        .stream()
        .max_messages_per_batch(spec.max_batch)
        .expires(Duration::from_secs(5))
        .heartbeat(Duration::from_secs(1))
        .messages()
        .await
        .map_err(|e| refused(Box::new(e)))
}

async fn pull_until_broken<H: BatchHandler>(
    nats: &Nats,
    spec: &ConsumerSpec,
    handler: &mut H,
    stop: &CancellationToken,
) -> Result<(), MessagingError> {
    let messages = open(nats, spec).await?;
    // Whatever has arrived while the last batch was worked on is the next batch: batches grow
    // with the load, and a lone message does not wait.
    let mut batches = messages.ready_chunks(spec.max_batch);
    loop {
        let batch = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            batch = batches.next() => batch,
        };
        let Some(batch) = batch else { return Ok(()) };
        let mut messages = Vec::with_capacity(batch.len());
        let mut broken = None;
        for item in batch {
            match item {
                Ok(message) => messages.push(message),
                Err(error) => broken = Some(error),
            }
        }
        handle(nats, spec, handler, messages).await;
        if let Some(error) = broken {
            return Err(MessagingError::Unconfirmed(Box::new(error)));
        }
    }
}

async fn handle<H: BatchHandler>(
    nats: &Nats,
    spec: &ConsumerSpec,
    handler: &mut H,
    messages: Vec<Message>,
) {
    let (mut kept, mut deliveries) = (Vec::new(), Vec::new());
    for message in messages {
        if let Some(delivery) = receive(nats, spec, &message).await {
            kept.push(message);
            deliveries.push(delivery);
        }
    }
    let outcomes = outcomes(handler, &deliveries).await;
    for ((message, delivery), outcome) in kept.iter().zip(&deliveries).zip(outcomes) {
        settle(nats, spec, message, delivery, outcome).await;
    }
}

/// A message as its handler gets it; `None` for one that is not to be handled.
pub(crate) async fn receive(
    nats: &Nats,
    spec: &ConsumerSpec,
    message: &Message,
) -> Option<Delivery> {
    match delivery(message) {
        Some(delivery) if delivery.attempt > MOST_DELIVERIES => {
            let reason = Reason::new("internal", "delivered too often; it may kill its handler");
            dead_letter::move_there(nats, spec, message, delivery.attempt, &reason).await;
            None
        }
        Some(delivery) => Some(delivery),
        None => {
            tracing::warn!(subject = %message.subject, "message without delivery details");
            None
        }
    }
}

/// The handler's answers. Suspects are handled alone, and so is everything of a batch in which the
/// handler panicked: the message at fault is found, the others are done.
async fn outcomes<H: BatchHandler>(handler: &mut H, batch: &[Delivery]) -> Vec<Outcome> {
    if batch.is_empty() {
        return Vec::new();
    }
    let together = batch.iter().all(|delivery| delivery.attempt <= SUSPECT_DELIVERIES);
    if together && let Some(outcomes) = unless_panicked(handler, batch).await {
        return outcomes;
    }
    let mut outcomes = Vec::with_capacity(batch.len());
    for delivery in batch.chunks(1) {
        match unless_panicked(handler, delivery).await {
            Some(answered) => outcomes.extend(answered),
            None => outcomes.push(Outcome::Failed(Fault::internal("the handler panicked"))),
        }
    }
    outcomes
}

async fn unless_panicked<H: BatchHandler>(
    handler: &mut H,
    batch: &[Delivery],
) -> Option<Vec<Outcome>> {
    let outcomes = AssertUnwindSafe(handler.handle(batch)).catch_unwind().await.ok()?;
    debug_assert_eq!(outcomes.len(), batch.len(), "one outcome for each delivery");
    Some(outcomes)
}

pub(crate) async fn settle(
    nats: &Nats,
    spec: &ConsumerSpec,
    message: &Message,
    delivery: &Delivery,
    outcome: Outcome,
) {
    let kind = match outcome {
        Outcome::Done => AckKind::Ack,
        Outcome::Later(delay) => AckKind::Nak(Some(delay)),
        Outcome::Failed(fault) => match fault.class().ack_decision() {
            AckDecision::Ack => AckKind::Ack,
            AckDecision::RetryNow => AckKind::Nak(None),
            AckDecision::RetryLater if delivery.attempt < MOST_FAILURES => {
                AckKind::Nak(Some(retry_delay(delivery.attempt)))
            }
            AckDecision::RetryLater | AckDecision::DeadLetter => {
                return bury(nats, spec, message, delivery, &fault).await;
            }
        },
        Outcome::GivenUp(fault) => return bury(nats, spec, message, delivery, &fault).await,
    };
    // An acknowledgement that is lost only means that the message comes again.
    if let Err(error) = message.ack_with(kind).await {
        tracing::debug!(consumer = spec.name, error = %error, "acknowledgement not sent");
    }
}

async fn bury(
    nats: &Nats,
    spec: &ConsumerSpec,
    message: &Message,
    delivery: &Delivery,
    fault: &Fault,
) {
    fault.log(delivery.message_id.as_deref().unwrap_or(""), "handle a message");
    let reason = Reason::new(fault.code().as_str(), &fault.inside());
    dead_letter::move_there(nats, spec, message, delivery.attempt, &reason).await;
}

/// 1, 2, 4 … seconds, one minute at most.
fn retry_delay(attempt: i64) -> Duration {
    let exponent = u32::try_from(attempt.clamp(1, 7) - 1).unwrap_or(0);
    Duration::from_secs(1 << exponent).min(Duration::from_secs(60))
}

fn delivery(message: &Message) -> Option<Delivery> {
    let info = message.info().ok()?;
    let header = |name: &str| {
        let value = message.headers.as_ref()?.get(name)?;
        Some(value.as_str().to_owned())
    };
    let published = i128::from(info.published.unix_timestamp()) * 1_000_000_000
        + i128::from(info.published.nanosecond());
    Some(Delivery {
        payload: message.payload.clone(),
        subject: message.subject.to_string(),
        message_id: header(MESSAGE_ID),
        traceparent: header(TRACEPARENT),
        attempt: info.delivered,
        stream_sequence: info.stream_sequence,
        published_at: OffsetDateTime::from_unix_timestamp_nanos(published).ok()?,
    })
}

fn config(spec: &ConsumerSpec) -> pull::Config {
    pull::Config {
        durable_name: Some(spec.name.to_owned()),
        filter_subject: spec.filter.clone(),
        ack_policy: AckPolicy::Explicit,
        deliver_policy: DeliverPolicy::All,
        ack_wait: spec.ack_wait,
        max_ack_pending: spec.max_ack_pending,
        // Unlimited: beyond its limit JetStream leaves a message stranded and says nothing.
        // The limits above end in the dead letters instead.
        max_deliver: -1,
        ..pull::Config::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_delay_doubles_up_to_a_minute() {
        let seconds: Vec<u64> = (1..=8).map(|n| retry_delay(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
    }
}
