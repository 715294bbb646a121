use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prost::Message as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use yard_contracts::command::v1::Command;
use yard_contracts::subjects;
use yard_fault::Fault;
use yard_ids::{DeviceId, TenantId};
use yard_pg::outbox::{self, Entry, Outbox};
use yard_pg::{Actor, TenantTx};
use yard_runtime::trace;

use super::Desk;
use super::store::{self, Row};
use crate::SERVICE;

type Waiting = HashSet<(TenantId, DeviceId)>;

/// Devices that came online and may have commands waiting. At most one entry a device.
#[derive(Clone, Default)]
pub(crate) struct Redispatch {
    waiting: Arc<Mutex<Waiting>>,
    nudge: Arc<Notify>,
}

impl Redispatch {
    /// Notes it; never waits.
    pub(crate) fn device_is_back(&self, tenant: TenantId, device: DeviceId) {
        self.lock().insert((tenant, device));
        self.nudge.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the waiting commands of those devices into the outbox again, until `stop`.
    pub(crate) async fn run(
        self,
        desk: Desk,
        resend_after: Duration,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        while !stop.is_cancelled() {
            let devices = std::mem::take(&mut *self.lock());
            if devices.is_empty() {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.nudge.notified() => {}
                }
                continue;
            }
            for (tenant, device) in devices {
                if let Err(fault) = enqueue_again(&desk, tenant, device, resend_after).await {
                    fault.log("", "send waiting commands");
                    self.lock().insert((tenant, device));
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(Duration::from_millis(500)) => {}
                    }
                }
            }
        }
        Ok(())
    }
}

async fn enqueue_again(
    desk: &Desk,
    tenant: TenantId,
    device: DeviceId,
    resend_after: Duration,
) -> Result<(), Fault> {
    let now = desk.clock.now();
    let mut tx = TenantTx::begin(&desk.pg, tenant, &Actor::service(SERVICE)).await?;
    let rows = store::undelivered(&mut tx, device, now, now - resend_after).await?;
    if rows.is_empty() {
        return Ok(());
    }
    for row in &rows {
        enqueue(desk, &mut tx, row).await?;
    }
    tx.commit().await?;
    desk.nudge.notify_one();
    metrics::counter!("yard_command_redispatches_total").increment(rows.len() as u64);
    Ok(())
}

/// Writes a command's way to the broker into the outbox. Each time is a message of its own.
pub(super) async fn enqueue(desk: &Desk, tx: &mut TenantTx, row: &Row) -> Result<(), Fault> {
    let tenant = tx.tenant();
    let message = Command {
        command_id: row.command().to_string(),
        device_id: row.device().to_string(),
        name: row.name.clone(),
        ..Command::default()
    };
    let entry = Entry {
        id: desk.ids.uuid7(),
        tenant: Some(tenant.uuid()),
        subject: subjects::command(tenant, row.device()),
        payload: message.encode_to_vec(),
        traceparent: trace::current(),
    };
    outbox::write(tx, Outbox::Ingest, &entry, desk.clock.now()).await?;
    Ok(())
}
