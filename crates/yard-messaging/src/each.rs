use std::future::Future;
use std::panic::AssertUnwindSafe;

use async_nats::jetstream::{AckKind, Message};
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use tokio_util::sync::CancellationToken;
use yard_fault::Fault;

use crate::consume::{FIRST_PAUSE, open, receive, rest, settle};
use crate::{ConsumerSpec, Delivery, MessagingError, Nats, Outcome};

/// Handles deliveries one by one, several at the same time: for work that waits for others, where one
/// that is slow must not hold up the rest.
pub trait EachHandler: Send + Sync + 'static {
    /// May take its time: the broker is told meanwhile that the delivery is in hand.
    fn handle(&self, delivery: &Delivery) -> impl Future<Output = Outcome> + Send;
}

/// Pulls and handles `at_once` deliveries at the same time until `stop`; those in hand are finished
/// first. They are begun in the order of the stream. Losing the broker, or the pull, only makes it
/// begin again.
///
/// # Errors
/// Never by a passing fault; the return type fits a task.
pub async fn consume_each<H: EachHandler>(
    nats: Nats,
    spec: ConsumerSpec,
    at_once: usize,
    handler: H,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut pause = FIRST_PAUSE;
    while !stop.is_cancelled() {
        let pulled = pull(&nats, &spec, at_once, &handler, &stop).await;
        pause = rest(&spec, pulled, pause, &stop).await;
    }
    Ok(())
}

async fn pull<H: EachHandler>(
    nats: &Nats,
    spec: &ConsumerSpec,
    at_once: usize,
    handler: &H,
    stop: &CancellationToken,
) -> Result<(), MessagingError> {
    let mut messages = open(nats, spec).await?;
    let mut in_hand = FuturesUnordered::new();
    let mut broken = None;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(()) = in_hand.next(), if !in_hand.is_empty() => {}
            message = messages.next(), if in_hand.len() < at_once => match message {
                Some(Ok(message)) => in_hand.push(handle(nats, spec, handler, message)),
                Some(Err(error)) => {
                    broken = Some(error);
                    break;
                }
                None => break,
            },
        }
    }
    while in_hand.next().await.is_some() {}
    broken.map_or(Ok(()), |error| Err(MessagingError::Unconfirmed(Box::new(error))))
}

async fn handle<H: EachHandler>(nats: &Nats, spec: &ConsumerSpec, handler: &H, message: Message) {
    let Some(delivery) = receive(nats, spec, &message).await else { return };
    let work = AssertUnwindSafe(handler.handle(&delivery)).catch_unwind();
    tokio::pin!(work);
    let handled = loop {
        tokio::select! {
            handled = &mut work => break handled,
            () = tokio::time::sleep(spec.ack_wait / 3) => {
                // Lost, the message comes again, to whoever has a place for it.
                if let Err(error) = message.ack_with(AckKind::Progress).await {
                    tracing::debug!(consumer = spec.name, error = %error, "progress not sent");
                }
            }
        }
    };
    let panicked = |_panic| Outcome::Failed(Fault::internal("the handler panicked"));
    settle(nats, spec, &message, &delivery, handled.unwrap_or_else(panicked)).await;
}
