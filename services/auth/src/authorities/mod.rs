//! Which CAs device certificates come from, and how far one has taken over from another. What they
//! are is told by configuration; the table keeps what was seen, so that operators see it and none is
//! taken away too early.

mod store;

use std::sync::Arc;

use yard_contracts::identity::v1 as wire;
use yard_contracts::values::timestamp;
use yard_fault::Fault;
use yard_ids::Clock;
use yard_pg::{Actor, Pg, PgError, PlatformTx};
use yard_runtime::ConfigError;

use crate::ca::DeviceCa;

fn fault(error: PgError) -> Fault {
    error.into()
}

/// The CAs as operators see them; cheap to clone.
#[derive(Clone)]
pub(crate) struct Authorities {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Authorities {
    /// Writes down what this instance was told.
    ///
    /// # Errors
    /// When a CA was taken away while certificates of it are in force: nobody could revoke those
    /// any more. The operator has to say that it is meant so.
    pub(crate) async fn settle(&self, ca: &DeviceCa, abandoned: &[String]) -> anyhow::Result<()> {
        let now = self.clock.now();
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("auth")).await.map_err(fault)?;
        store::lock(&mut tx).await.map_err(fault)?;
        for authority in ca.all() {
            store::note(&mut tx, authority, now).await.map_err(fault)?;
        }
        store::adopt(&mut tx).await.map_err(fault)?;
        let known: Vec<String> = ca.all().map(|a| a.key_id_text.clone()).collect();
        let left = store::left_behind(&mut tx, &known, abandoned, now).await.map_err(fault)?;
        if let Some(left) = left {
            return Err(ConfigError::new("device_ca.previous_cert_file", left.problem()).into());
        }
        store::end_others(&mut tx, &known, abandoned, now).await.map_err(fault)?;
        tx.commit().await.map_err(fault)?;
        Ok(())
    }

    async fn rows(&self) -> Result<Vec<store::Row>, Fault> {
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("auth")).await?;
        let rows = store::list(&mut tx, self.clock.now()).await?;
        tx.commit().await?;
        Ok(rows)
    }

    /// Newest state first.
    pub(crate) async fn list(&self) -> Result<wire::ListDeviceAuthoritiesResponse, Fault> {
        let authorities = self.rows().await?.into_iter().map(|row| {
            let state = match row.state.as_str() {
                "pending" => wire::DeviceAuthorityState::Pending,
                "active" => wire::DeviceAuthorityState::Active,
                "retiring" => wire::DeviceAuthorityState::Retiring,
                "abandoned" => wire::DeviceAuthorityState::Abandoned,
                _ => wire::DeviceAuthorityState::Retired,
            };
            wire::DeviceAuthority {
                key_id: row.key_id,
                subject: row.subject,
                state: state.into(),
                since: Some(timestamp(row.since)),
                not_after: Some(timestamp(row.not_after)),
                certificates_in_force: row.in_force,
            }
        });
        Ok(wire::ListDeviceAuthoritiesResponse { authorities: authorities.collect() })
    }
}
