//! Which CAs device certificates come from, and how far one has taken over from another. What they
//! are is told by configuration; the table keeps what was seen, so that operators see it and a CA
//! that is taken away too early is noticed.

mod store;

use std::sync::Arc;

use yard_contracts::identity::v1 as wire;
use yard_contracts::values::timestamp;
use yard_fault::Fault;
use yard_ids::Clock;
use yard_pg::{Actor, Pg, PlatformTx};
use yard_runtime::{Check, Runtime};

use crate::ca::DeviceCa;

/// The CAs as operators see them; cheap to clone.
#[derive(Clone)]
pub(crate) struct Authorities {
    pub(crate) pg: Pg,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Authorities {
    /// Writes down what this instance was told, and has operators warned of a CA that was taken
    /// away while certificates of it are in force: nobody could revoke those any more.
    pub(crate) async fn settle(&self, ca: &DeviceCa, runtime: &Runtime) -> Result<(), Fault> {
        let now = self.clock.now();
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("auth")).await?;
        for authority in ca.all() {
            store::note(&mut tx, authority, now).await?;
        }
        let known: Vec<String> = ca.all().map(|a| a.key_id_text.clone()).collect();
        store::retire_others(&mut tx, &known, now).await?;
        tx.commit().await?;
        let this = self.clone();
        let probe = move || {
            let this = this.clone();
            async move { this.orphans().await }
        };
        runtime.health().add_check(Check::new("device-authorities", probe).advisory());
        Ok(())
    }

    async fn orphans(&self) -> Result<(), String> {
        let rows = self.rows().await.map_err(|fault| fault.inside())?;
        let left = rows.iter().find(|row| row.state == "retired" && row.in_force > 0);
        left.map_or(Ok(()), |row| {
            Err(format!("{} is retired with {} certificates in force", row.subject, row.in_force))
        })
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
