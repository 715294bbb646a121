//! Whether device-ingest believes a device, told over the bus and repeated until it is known there.

use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use yard_contracts::device::v1::{DeviceStandingReply, DeviceStandingRequest};
use yard_contracts::subjects;
use yard_fault::Fault;
use yard_ids::DeviceId;
use yard_messaging::Nats;
use yard_pg::{Actor, Pg, PgError, PlatformTx};

use super::store::{self, StandingRow};
use crate::telemetry;

/// How often what is not yet known is told again.
const LOOK: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(3);
const MOST: i64 = 200;

/// Tells standings; cheap to clone.
#[derive(Clone)]
pub(crate) struct Standing {
    pub(crate) pg: Pg,
    pub(crate) nats: Nats,
}

impl Standing {
    /// Tells one device's standing now, unless it is known already; whether it is in force.
    pub(super) async fn tell(&self, device: DeviceId) -> Result<bool, Fault> {
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("auth")).await?;
        let row = store::standing(&mut tx, device).await?;
        tx.commit().await?;
        match row {
            Some(row) if row.told < row.version => self.tell_row(&row).await,
            _ => Ok(true),
        }
    }

    /// Repeats what is not known until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            if let Err(fault) = self.round().await {
                let (code, problem) = (fault.code().as_str(), fault.inside());
                tracing::warn!(code, problem, "could not tell devices' standings; trying again");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    async fn round(&self) -> Result<(), Fault> {
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("auth")).await?;
        let rows = store::untold(&mut tx, MOST).await?;
        let waiting = store::waiting_count(&mut tx).await?;
        tx.commit().await?;
        telemetry::standings(waiting, rows.len());
        for row in rows {
            if !self.tell_row(&row).await? {
                // Nobody answers; the others would wait for the same.
                return Ok(());
            }
        }
        Ok(())
    }

    async fn tell_row(&self, row: &StandingRow) -> Result<bool, Fault> {
        let device = DeviceId::from_uuid(row.device_id);
        let request = DeviceStandingRequest {
            device_id: device.to_string(),
            tenant_id: row.tenant_id.as_hyphenated().to_string(),
            quarantined: row.is_quarantined(),
            version: row.version,
        };
        let payload = Bytes::from(request.encode_to_vec());
        let answer = self.nats.ask(subjects::DEVICE_STANDING.to_owned(), payload, PATIENCE).await;
        let known = match answer {
            Ok(answer) => DeviceStandingReply::decode(answer).is_ok_and(|reply| reply.in_force),
            Err(error) => {
                tracing::debug!(error = %error, device.id = %device, "standing not told yet");
                false
            }
        };
        if known {
            let mut tx = PlatformTx::begin(&self.pg, &Actor::service("auth")).await?;
            store::told(&mut tx, device, row.version).await?;
            tx.commit().await?;
        }
        Ok(known)
    }
}

/// Ends the quarantine of a device that an operator made a claim code for.
pub(crate) async fn end_by_claim(
    tx: &mut PlatformTx,
    device: DeviceId,
    now: time::OffsetDateTime,
) -> Result<(), PgError> {
    store::approve_by_claim(tx, device, now).await
}
