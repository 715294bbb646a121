//! Which CAs device certificates come from, and how far one has taken over from another. What they
//! are is told by configuration; the table keeps what was seen, so that operators see it and none is
//! taken away too early.

mod store;

use std::sync::Arc;

use yard_contracts::identity::v1 as wire;
use yard_contracts::values::timestamp;
use yard_fault::Fault;
use yard_ids::Clock;
use yard_pg::{Actor, Pg, PlatformTx};
use yard_runtime::ConfigError;

use crate::ca::DeviceCa;

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
        match self.write_down(ca, abandoned).await? {
            None => Ok(()),
            Some(left) => {
                let option = "device_ca.previous_cert_file";
                Err(ConfigError::new(option, left.problem()).into())
            }
        }
    }

    /// The CA that was left behind, if one was; nothing is written then.
    async fn write_down(
        &self,
        ca: &DeviceCa,
        abandoned: &[String],
    ) -> Result<Option<store::LeftBehind>, Fault> {
        let now = self.clock.now();
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("auth")).await?;
        store::lock(&mut tx).await?;
        for authority in ca.all() {
            store::note(&mut tx, authority, now).await?;
        }
        store::adopt(&mut tx).await?;
        let known: Vec<String> = ca.all().map(|a| a.key_id_text.clone()).collect();
        let left = store::left_behind(&mut tx, &known, abandoned, now).await?;
        if left.is_none() {
            store::end_others(&mut tx, &known, abandoned, now).await?;
            tx.commit().await?;
        }
        Ok(left)
    }

    async fn rows(&self) -> Result<Vec<store::Row>, Fault> {
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("auth")).await?;
        let rows = store::list(&mut tx, self.clock.now()).await?;
        tx.commit().await?;
        Ok(rows)
    }

    /// The last to change first.
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
