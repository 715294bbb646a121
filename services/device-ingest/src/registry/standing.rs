//! Which devices are believed: auth says so, the directory keeps it, every instance follows.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use yard_contracts::device::v1::{DeviceStandingReply, DeviceStandingRequest};
use yard_contracts::subjects;
use yard_fault::Fault;
use yard_ids::{DeviceId, TenantId};
use yard_messaging::Nats;
use yard_pg::{Actor, PlatformTx};

use super::{DeviceStanding, Known, Registry, store};
use crate::SERVICE;

const GROUP: &str = "device-ingest";
const AT_ONCE: usize = 16;
/// How often an instance compares with the directory: what another was told and this one missed.
const LOOK: Duration = Duration::from_secs(5);

/// Answers auth's requests until `stop`.
pub(crate) async fn answer_standings(
    registry: Registry,
    nats: Nats,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let requests = nats.subscribe_group(subjects::DEVICE_STANDING.to_owned(), GROUP).await?;
    let requests = requests.take_until(stop.clone().cancelled_owned());
    let (registry, nats) = (&registry, &nats);
    requests
        .for_each_concurrent(AT_ONCE, |message| async move {
            let Some(reply_to) = message.reply else { return };
            let in_force = match take(registry, nats, &message.payload).await {
                Ok(in_force) => in_force,
                Err(fault) => {
                    fault.log("", "take a device's standing");
                    false
                }
            };
            let payload = Bytes::from(DeviceStandingReply { in_force }.encode_to_vec());
            if let Err(error) = nats.publish_live(reply_to.to_string(), payload).await {
                tracing::debug!(error = %error, "answer to a standing not sent");
            }
        })
        .await;
    anyhow::ensure!(stop.is_cancelled(), "subscription to standings ended");
    Ok(())
}

async fn take(registry: &Registry, nats: &Nats, request: &[u8]) -> Result<bool, Fault> {
    let Some((device, tenant, standing)) = read(request) else { return Ok(false) };
    let mut tx = PlatformTx::begin(&registry.pg, &Actor::service(SERVICE)).await?;
    let in_force = store::set_standing(&mut tx, device, tenant, standing).await?;
    tx.commit().await?;
    if in_force {
        // Here before the answer; elsewhere by the announcement.
        registry.read(device).await?;
        let subject = subjects::directory_changed(device);
        if let Err(error) = nats.publish_live(subject, Bytes::new()).await {
            tracing::debug!(error = %error, "standing not announced");
        }
        tracing::info!(device.id = %device, quarantined = standing.quarantined, "device standing");
    }
    Ok(in_force)
}

fn read(request: &[u8]) -> Option<(DeviceId, TenantId, DeviceStanding)> {
    let request = DeviceStandingRequest::decode(request).ok()?;
    let standing = DeviceStanding { quarantined: request.quarantined, version: request.version };
    Some((request.device_id.parse().ok()?, request.tenant_id.parse().ok()?, standing))
}

/// Compares memory with the directory until `stop`.
pub(crate) async fn follow_quarantine(
    registry: Registry,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut before = HashSet::new();
    loop {
        match store::quarantined(&registry.pg).await {
            Ok(now) => before = compare(&registry, &before, now),
            // The database's absence is told by its own check.
            Err(error) => tracing::debug!(error = %error, "devices in quarantine not read"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

/// Forgets devices of which memory says something else.
fn compare(
    registry: &Registry,
    before: &HashSet<DeviceId>,
    now: Vec<DeviceId>,
) -> HashSet<DeviceId> {
    let now: HashSet<_> = now.into_iter().collect();
    metrics::gauge!("yard_ingest_quarantined_devices")
        .set(f64::from(u32::try_from(now.len()).unwrap_or(u32::MAX)));
    for device in before.union(&now) {
        let Known::Device(known) = registry.cached(*device) else { continue };
        if known.standing.quarantined != now.contains(device) {
            registry.forget(*device);
        }
    }
    now
}
