use std::sync::Arc;
use std::time::Duration;

use async_nats::Subscriber;
use futures::StreamExt as _;
use futures::stream::SelectAll;
use yard_messaging::{MessagingError, Nats};

use super::live::Live;
use crate::channel::Topic;
use crate::telemetry::{self, Meters};

/// Without the broker's answer by then the join is confirmed all the same: the subscription is
/// made when the connection is back, and a client that waits for ever would be worse off.
const PATIENCE: Duration = Duration::from_secs(2);

/// Listens for one channel until its last listener is gone.
pub(super) async fn listen(nats: Nats, topic: Topic, live: Arc<Live>, meters: Arc<Meters>) {
    let mut sources = match subscribe(&nats, topic).await {
        Ok(sources) => sources,
        Err(error) => {
            tracing::error!(channel = %live.name(), error = %error, "channel hears nothing");
            SelectAll::new()
        }
    };
    meters.interests.increment(1);
    match tokio::time::timeout(PATIENCE, nats.settle()).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => {
            tracing::warn!(channel = %live.name(), "channel joined while the broker is away");
        }
    }
    live.begin();
    loop {
        let message = tokio::select! {
            () = live.abandoned() => break,
            message = sources.next(), if !sources.is_empty() => message,
        };
        let Some(message) = message else { continue };
        match topic.event_in(&message.subject) {
            Some(event) => live.publish(event, message.payload, &meters),
            None => telemetry::event_refused("foreign_subject"),
        }
    }
    for mut source in sources {
        if let Err(error) = source.unsubscribe().await {
            tracing::debug!(error = %error, "could not unsubscribe");
        }
    }
    meters.interests.decrement(1);
}

async fn subscribe(nats: &Nats, topic: Topic) -> Result<SelectAll<Subscriber>, MessagingError> {
    let mut sources = SelectAll::new();
    for subject in topic.subjects() {
        sources.push(nats.subscribe_live(subject).await?);
    }
    Ok(sources)
}
