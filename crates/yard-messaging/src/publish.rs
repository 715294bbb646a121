use std::future::IntoFuture as _;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishAckFuture;
use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use yard_runtime::trace::TRACEPARENT;

use crate::{MESSAGE_ID, MessagingError, Nats};

/// A message for JetStream.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// From `yard_contracts::subjects`.
    pub subject: String,
    /// The same for every repetition.
    pub id: Uuid,
    /// Protobuf.
    pub payload: Bytes,
    /// W3C trace context.
    pub traceparent: Option<String>,
}

/// A publish that JetStream has yet to confirm.
pub struct PendingAck(PublishAckFuture);

impl PendingAck {
    /// The sequence in the stream.
    ///
    /// # Errors
    /// [`MessagingError::Unconfirmed`]: publish it again with the same id.
    pub async fn confirmed(self) -> Result<u64, MessagingError> {
        let ack = self.0.into_future().await;
        ack.map(|ack| ack.sequence).map_err(|e| MessagingError::Unconfirmed(Box::new(e)))
    }
}

impl Nats {
    /// Sends, and leaves the waiting to the caller, so that many can be under way.
    ///
    /// # Errors
    /// When it could not even be sent.
    pub async fn publish(&self, message: &Outgoing) -> Result<PendingAck, MessagingError> {
        let mut headers = HeaderMap::new();
        headers.insert(MESSAGE_ID, message.id.as_hyphenated().to_string().as_str());
        if let Some(parent) = &message.traceparent {
            headers.insert(TRACEPARENT, parent.as_str());
        }
        let subject = message.subject.clone();
        self.jetstream()
            .publish_with_headers(subject, headers, message.payload.clone())
            .await
            .map(PendingAck)
            .map_err(|e| MessagingError::Unconfirmed(Box::new(e)))
    }

    /// Publishes until JetStream has confirmed it; `None` when `stop` came first.
    pub async fn publish_until_confirmed(
        &self,
        message: &Outgoing,
        stop: &CancellationToken,
    ) -> Option<u64> {
        let mut pause = Duration::from_millis(20);
        loop {
            let attempt = async { self.publish(message).await?.confirmed().await };
            let outcome = tokio::select! {
                outcome = attempt => outcome,
                () = stop.cancelled() => return None,
            };
            match outcome {
                Ok(sequence) => return Some(sequence),
                Err(error) => {
                    metrics::counter!("yard_nats_publish_retries_total").increment(1);
                    tracing::debug!(subject = message.subject, error = %error, "publish again");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(1)),
                () = stop.cancelled() => return None,
            }
        }
    }
}
