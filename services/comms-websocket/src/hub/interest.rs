use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures::stream::SelectAll;
use futures::{FutureExt as _, StreamExt as _};
use yard_messaging::MessagingError;

use super::gather::Gather;
use super::live::Live;
use crate::bus::Bus;
use crate::channel::Topic;
use crate::presence::Changes;
use crate::telemetry::{self, Meters};

/// Without the broker's answer by then the join is confirmed all the same: the subscription is
/// made when the connection is back, and a client that waits for ever would be worse off.
const PATIENCE: Duration = Duration::from_secs(2);

/// Listens for one channel until its last listener is gone.
pub(super) async fn listen(
    bus: Bus,
    topic: Option<Topic>,
    live: Arc<Live>,
    meters: Arc<Meters>,
    changes: Changes,
) {
    let said_in_it = Bus::subject(live.key());
    let mut sources = match subscribe(&bus, topic, &said_in_it).await {
        Ok(sources) => sources,
        Err(error) => {
            tracing::error!(channel = %live.key(), error = %error, "channel hears nothing");
            SelectAll::new()
        }
    };
    meters.interests.increment(1);
    match tokio::time::timeout(PATIENCE, bus.nats().settle()).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => {
            tracing::warn!(channel = %live.key(), "channel joined while the broker is away");
        }
    }
    for (id, user) in live.begin() {
        changes.comes(&live, id, user);
    }
    let hear = |message: Message| {
        if message.subject.as_str() == said_in_it {
            if let Some(said) = bus.read(message.payload) {
                live.hear(said, &meters);
            }
            return;
        }
        match topic.and_then(|topic| topic.event_in(&message.subject)) {
            Some(event) => live.publish(event, message.payload, &meters),
            None => telemetry::event_refused("foreign_subject"),
        }
    };
    let mut gather = Gather::new();
    loop {
        let message = tokio::select! {
            () = live.abandoned() => break,
            message = sources.next(), if !sources.is_empty() => message,
        };
        let Some(message) = message else { continue };
        gather.begin(live.count()).await;
        let mut next = Some(message);
        while let Some(message) = next.take() {
            gather.count(message.payload.len());
            hear(message);
            // What has come by now goes with it.
            if !gather.is_full() {
                next = sources.next().now_or_never().flatten();
            }
        }
    }
    for mut source in sources {
        if let Err(error) = source.unsubscribe().await {
            tracing::debug!(error = %error, "could not unsubscribe");
        }
    }
    meters.interests.decrement(1);
}

async fn subscribe(
    bus: &Bus,
    topic: Option<Topic>,
    said_in_it: &str,
) -> Result<SelectAll<Subscriber>, MessagingError> {
    let mut sources = SelectAll::new();
    let subjects = topic.map(Topic::subjects).unwrap_or_default();
    for subject in subjects.into_iter().chain([said_in_it.to_owned()]) {
        sources.push(bus.nats().subscribe_live(subject).await?);
    }
    Ok(sources)
}
