use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use yard_contracts::device::v1::{CutDeviceReply, CutDeviceRequest, CutOutcome};
use yard_contracts::subjects;
use yard_contracts::topics::broker;
use yard_ids::{DeviceId, IdSource};
use yard_messaging::Nats;

use super::BrokerDesk;
use crate::mqtt::Downlink;

const GROUP: &str = "device-ingest";
const AT_ONCE: usize = 64;
/// How long the broker may take to have a list in force: auth waits a little longer.
const LIST_PATIENCE: Duration = Duration::from_secs(4);
const KICK_PATIENCE: Duration = Duration::from_secs(2);

/// Ends connections of devices whose certificate was revoked.
pub(crate) struct Cutter {
    pub(crate) nats: Nats,
    pub(crate) downlink: Downlink,
    pub(crate) desk: BrokerDesk,
    pub(crate) ids: Arc<dyn IdSource>,
}

impl Cutter {
    /// Answers auth's requests until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let requests = self.nats.subscribe_group(subjects::BROKER_CUT.to_owned(), GROUP).await?;
        let requests = requests.take_until(stop.clone().cancelled_owned());
        let this = &self;
        requests
            .for_each_concurrent(AT_ONCE, |message| async move {
                let Some(reply_to) = message.reply else { return };
                let reply = this.answer(&message.payload).await;
                let payload = Bytes::from(reply.encode_to_vec());
                if let Err(error) = this.nats.publish_live(reply_to.to_string(), payload).await {
                    tracing::debug!(error = %error, "answer to a cut not sent");
                }
            })
            .await;
        anyhow::ensure!(stop.is_cancelled(), "subscription to cuts ended");
        Ok(())
    }

    async fn answer(&self, request: &[u8]) -> CutDeviceReply {
        let request = CutDeviceRequest::decode(request).ok();
        let device =
            request.and_then(|r| Some((r.device_id.parse::<DeviceId>().ok()?, r.list_number)));
        let (outcome, connections) = match device {
            Some((device, list)) => self.cut(device, list).await,
            None => (CutOutcome::Unspecified, 0),
        };
        let label = match outcome {
            CutOutcome::Cut => "cut",
            CutOutcome::ListPending => "list_pending",
            CutOutcome::NoBroker => "no_broker",
            CutOutcome::Unspecified => "unreadable",
        };
        metrics::counter!("yard_broker_cuts_total", "outcome" => label).increment(1);
        CutDeviceReply { outcome: outcome.into(), connections }
    }

    /// The list first, the kick second: the other way round a device comes back at once, with a
    /// certificate that the broker does not know to be revoked.
    async fn cut(&self, device: DeviceId, list: i64) -> (CutOutcome, u32) {
        let mut state = self.desk.state();
        let in_force = state.wait_for(|state| {
            state.is_some_and(|state| state.list.is_some_and(|number| number >= list))
        });
        match tokio::time::timeout(LIST_PATIENCE, in_force).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) if self.desk.state().borrow().is_none() => {
                return (CutOutcome::NoBroker, 0);
            }
            Ok(Err(_)) | Err(_) => return (CutOutcome::ListPending, 0),
        }
        match self.kick(device).await {
            Some(connections) => {
                tracing::info!(device = %device, list, connections, "revoked device disconnected");
                (CutOutcome::Cut, connections)
            }
            None => (CutOutcome::NoBroker, 0),
        }
    }

    /// The number of connections ended; `None` when the broker did not say that it has done it.
    async fn kick(&self, device: DeviceId) -> Option<u32> {
        let request = self.ids.uuid7();
        let answer = self.desk.await_kick(request);
        let wish = Bytes::from(format!("{request} {device}"));
        let topic = broker::CONTROL.to_owned();
        if let Err(refused) = self.downlink.publish(topic, wish, KICK_PATIENCE, KICK_PATIENCE).await
        {
            tracing::debug!(refused = %refused, "the broker was not asked for a kick");
            return None;
        }
        tokio::time::timeout(KICK_PATIENCE, answer).await.ok()?.ok()
    }
}
