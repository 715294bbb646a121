use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use yard_ids::{DeviceId, TenantId};
use yard_messaging::Nats;
use yard_pg::{Actor, Pg, PgError, PlatformTx};

use super::{announce, store};
use crate::SERVICE;

type Times = HashMap<DeviceId, (TenantId, OffsetDateTime)>;

/// When each device was last heard, since it was last written down. At most one entry a device.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Times>>);

impl Heard {
    /// Notes a message; cheap.
    pub(crate) fn note(&self, device: DeviceId, tenant: TenantId, at: OffsetDateTime) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        times.insert(device, (tenant, at));
    }

    fn take(&self) -> Times {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts back what could not be written, unless something newer came meanwhile.
    fn put_back(&self, taken: Times) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (device, heard) in taken {
            times.entry(device).or_insert(heard);
        }
    }

    /// Writes everything down, in one statement.
    pub(crate) async fn flush(&self, pg: &Pg, nats: &Nats) -> Result<(), PgError> {
        let taken = self.take();
        if taken.is_empty() {
            return Ok(());
        }
        let (mut devices, mut tenants, mut times) = (Vec::new(), Vec::new(), Vec::new());
        for (device, (tenant, at)) in &taken {
            devices.push(device.uuid());
            tenants.push(tenant.uuid());
            times.push(*at);
        }
        let written = async {
            let mut tx = PlatformTx::begin(pg, &Actor::service(SERVICE)).await?;
            let changes = store::renew(&mut tx, &devices, &tenants, &times).await?;
            tx.commit().await?;
            Ok(changes)
        };
        match written.await {
            Ok(changes) => {
                for change in changes {
                    announce(nats, change).await;
                }
                Ok(())
            }
            Err(error) => {
                self.put_back(taken);
                Err(error)
            }
        }
    }
}

/// Writes down what was heard, every `interval` and once more at the end.
pub(crate) async fn write_down(
    heard: Heard,
    pg: Pg,
    nats: Nats,
    interval: Duration,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(interval) => {}
        }
        if let Err(error) = heard.flush(&pg, &nats).await {
            tracing::warn!(error = %error, "could not write down who was heard; trying again");
        }
    }
    Ok(())
}
