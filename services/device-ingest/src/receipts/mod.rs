//! Proof of storage, passed on to devices that asked for it. The worker says on core NATS what it
//! has committed; one instance tells the device. A receipt that gets lost costs a repetition by
//! the device, nothing else.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use prost::Message as _;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use yard_contracts::subjects;
use yard_contracts::telemetry::v1::StoredReceipt;
use yard_contracts::topics::Downlink as Topic;
use yard_ids::DeviceId;
use yard_messaging::Nats;

use crate::mqtt::Downlink;

const GROUP: &str = "device-ingest";
const AT_ONCE: usize = 64;
const PATIENCE: Duration = Duration::from_secs(5);
/// A device that is away may have it later; its numbers do not age.
const EXPIRY: Duration = Duration::from_secs(3_600);

/// Passes receipts on until `stop`.
pub(crate) async fn pass_on(
    nats: Nats,
    downlink: Downlink,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let receipts = nats.subscribe_group(subjects::RECEIPTS.to_owned(), GROUP).await?;
    let receipts = receipts.take_until(stop.clone().cancelled_owned());
    receipts
        .for_each_concurrent(AT_ONCE, |message| {
            let downlink = &downlink;
            async move { tell(downlink, &message.payload).await }
        })
        .await;
    anyhow::ensure!(stop.is_cancelled(), "subscription to receipts ended");
    Ok(())
}

async fn tell(downlink: &Downlink, payload: &[u8]) {
    let receipt = StoredReceipt::decode(payload).ok();
    let Some((device, receipt)) =
        receipt.and_then(|r| Some((r.device_id.parse::<DeviceId>().ok()?, r)))
    else {
        count("unreadable");
        return;
    };
    let body = json!({"epoch": receipt.epoch, "sequences": receipt.sequences});
    let topic = Topic::Receipt.topic(device);
    let sent = downlink.publish(topic, Bytes::from(body.to_string()), EXPIRY, PATIENCE).await;
    count(if sent.is_ok() { "sent" } else { "not_sent" });
}

fn count(outcome: &'static str) {
    metrics::counter!("yard_ingest_receipts_total", "outcome" => outcome).increment(1);
}
