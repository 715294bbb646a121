use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::mqttbytes::QoS;
use rumqttc::{
    AsyncClient, PubAckReason, PublishNoticeError, PublishOptions, PublishProperties, PublishResult,
};
use tokio::sync::Semaphore;
use yard_runtime::trace;

use super::status::LinkStatus;

/// Unconfirmed publishes at once.
const MOST_UNCONFIRMED: usize = 256;

/// Publishes to devices, each followed until the broker confirms it.
#[derive(Clone)]
pub(crate) struct Downlink {
    client: AsyncClient,
    status: LinkStatus,
    permits: Arc<Semaphore>,
}

/// What the broker did with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// It has it, for a subscriber of its own.
    Accepted,
    /// Nobody is subscribed: the device is away.
    NobodyListens,
}

/// Why it is not known that the broker has a message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// There is no connection.
    #[error("not connected to the broker")]
    NotConnected,
    /// No answer in time, or the connection broke.
    #[error("broker did not confirm")]
    Unconfirmed,
    /// The broker will not have it.
    #[error("broker refused: {0:?}")]
    Reason(PubAckReason),
}

impl Downlink {
    pub(super) fn new(client: AsyncClient, status: LinkStatus) -> Self {
        Self { client, status, permits: Arc::new(Semaphore::new(MOST_UNCONFIRMED)) }
    }

    /// Publishes with QoS 1 and waits for the PUBACK. The broker drops it after `expiry`.
    pub(crate) async fn publish(
        &self,
        topic: String,
        payload: Bytes,
        expiry: Duration,
        patience: Duration,
    ) -> Result<Delivered, Refused> {
        let gone = |_closed| Refused::NotConnected;
        let _permit = self.permits.acquire().await.map_err(gone)?;
        if !self.status.is_connected() {
            return Err(Refused::NotConnected);
        }
        // Whole seconds on the wire, and zero would mean at once.
        let seconds = u32::try_from(expiry.as_secs()).unwrap_or(u32::MAX).max(1);
        let properties = PublishProperties {
            message_expiry_interval: Some(seconds),
            user_properties: trace::current()
                .map(|parent| (trace::TRACEPARENT.to_owned(), parent))
                .into_iter()
                .collect(),
            ..PublishProperties::default()
        };
        let options = PublishOptions::new(QoS::AtLeastOnce).properties(properties);
        let notice = self.client.try_publish_tracked(topic, payload, options);
        let notice = notice.map_err(|error| {
            tracing::debug!(error = %error, "not queued for the broker");
            Refused::NotConnected
        })?;
        match tokio::time::timeout(patience, notice.wait_async()).await {
            Ok(Ok(PublishResult::Qos1(ack))) => of_reason(ack.reason),
            Ok(Ok(_)) => Ok(Delivered::Accepted),
            Ok(Err(PublishNoticeError::V5PubAck(reason))) => of_reason(reason),
            Ok(Err(_)) | Err(_) => Err(Refused::Unconfirmed),
        }
    }
}

const fn of_reason(reason: PubAckReason) -> Result<Delivered, Refused> {
    match reason {
        PubAckReason::Success => Ok(Delivered::Accepted),
        PubAckReason::NoMatchingSubscribers => Ok(Delivered::NobodyListens),
        other => Err(Refused::Reason(other)),
    }
}
