use std::collections::HashSet;
use std::time::Duration;

use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use yard_contracts::subjects;
use yard_fault::Fault;
use yard_ids::DeviceId;
use yard_messaging::Nats;

use super::{Registry, store};

const PAGE: i64 = 5_000;
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Reads the whole directory into memory; tries until it has, or until `stop`.
pub(crate) async fn preload(registry: &Registry, stop: &CancellationToken) {
    let mut pause = Duration::from_millis(100);
    loop {
        match all(registry).await {
            Ok(devices) => {
                tracing::info!(devices, "device directory in memory");
                return;
            }
            Err(fault) => fault.log("", "read the device directory"),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            () = stop.cancelled() => return,
        }
    }
}

async fn all(registry: &Registry) -> Result<usize, Fault> {
    let (mut after, mut count) = (Uuid::nil(), 0);
    // One contract is of many devices, and one that is unusable shall be named once.
    let mut unusable = HashSet::new();
    loop {
        let page = store::directory_page(&registry.pg, after, PAGE).await?;
        let Some((last, _)) = page.last() else {
            return Ok(count);
        };
        after = last.uuid();
        for (device, store::Entry { tenant, contract, standing }) in page {
            if unusable.contains(&(tenant, contract)) {
                continue;
            }
            match registry.contract(tenant, contract).await {
                Ok(compiled) => {
                    registry.remember(device, tenant, compiled, standing);
                    count += 1;
                }
                Err(fault) if fault.class().is_retryable() => return Err(fault),
                Err(fault) => {
                    fault.log("", "compile a contract");
                    unusable.insert((tenant, contract));
                }
            }
        }
    }
}

/// Forgets what other instances say has changed. What is said while the connection is down is
/// lost, which costs no more than the few seconds an unknown device is remembered as such.
pub(crate) async fn follow_changes(
    registry: Registry,
    nats: Nats,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut changes = nats.subscribe_live(subjects::DIRECTORY_CHANGES.to_owned()).await?;
    loop {
        let message = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            message = changes.next() => message,
        };
        let Some(message) = message else { anyhow::bail!("directory subscription ended") };
        let device = message.subject.rsplit('.').next().and_then(|id| id.parse::<DeviceId>().ok());
        if let Some(device) = device {
            registry.forget(device);
        }
    }
}
