use std::sync::Arc;

use uuid::Uuid;
use yard_fault::Fault;
use yard_ids::Clock;
use yard_pg::{Actor, Pg, PlatformTx};
use yard_runtime::{Runtime, TaskKind};

use super::closure;
use super::store::{self, Step};
use crate::registration;
use crate::rounds::{Rounds, Task};

/// Brings tenants that are being made or being closed to the end of it. Any number of instances
/// may: each step is one transaction that asks for the state it starts from.
#[derive(Clone)]
pub(crate) struct Caretaker {
    pg: Pg,
    clock: Arc<dyn Clock>,
}

impl Caretaker {
    /// Begins to look; wake it when there is something to do.
    pub(crate) fn start(pg: &Pg, runtime: &Runtime) -> Rounds {
        let this = Self { pg: pg.clone(), clock: runtime.clock() };
        let task = Task {
            name: "tenants",
            kind: TaskKind::Background,
            trouble: "tenants could not be looked after; trying again",
        };
        Rounds::start(task, runtime, move || {
            let this = this.clone();
            async move { this.round().await.map(|()| false) }
        })
    }

    async fn round(&self) -> Result<(), Fault> {
        let mut tx = self.begin().await?;
        let waiting = store::waiting(&mut tx).await?;
        tx.commit().await?;
        for (tenant, state) in waiting {
            let done = match state.as_str() {
                "provisioning" => self.provision_shown(tenant).await,
                _ => self.close(tenant).await,
            };
            // One that fails must not keep the others waiting.
            if let Err(fault) = done {
                let problem = fault.inside();
                tracing::error!(%tenant, state, problem, "a tenant's step failed; trying again");
            }
        }
        Ok(())
    }

    async fn begin(&self) -> Result<PlatformTx, Fault> {
        Ok(PlatformTx::begin(&self.pg, &Actor::service("auth")).await?)
    }

    /// Whoever registered the tenant watches how it goes.
    async fn provision_shown(&self, tenant: Uuid) -> Result<(), Fault> {
        let mut tx = self.begin().await?;
        registration::note_begun(&mut tx, tenant, &*self.clock).await?;
        tx.commit().await?;
        let done = self.provision(tenant).await;
        let noted = if done.is_err() { self.note_failed(tenant).await } else { Ok(()) };
        done.and(noted)
    }

    async fn note_failed(&self, tenant: Uuid) -> Result<(), Fault> {
        let mut tx = self.begin().await?;
        registration::note_failed(&mut tx, tenant, &*self.clock).await?;
        Ok(tx.commit().await?)
    }

    async fn provision(&self, tenant: Uuid) -> Result<(), Fault> {
        let mut tx = self.begin().await?;
        store::migrate(&mut tx, tenant).await?;
        let now = self.clock.now();
        let ready = Step { from: &["provisioning"], to: "ready", by: "", reason: "", at: now };
        store::step(&mut tx, tenant, &ready).await?;
        registration::note_ready(&mut tx, tenant, &*self.clock).await?;
        tx.commit().await?;
        tracing::info!(%tenant, "tenant is ready");
        Ok(())
    }

    async fn close(&self, tenant: Uuid) -> Result<(), Fault> {
        let mut tx = self.begin().await?;
        let Some((by, reason, export)) = store::being_closed(&mut tx, tenant).await? else {
            return Ok(());
        };
        let at = self.clock.now();
        let went = store::drop_data(&mut tx, tenant).await?;
        store::insert_closure(&mut tx, tenant, (&by, &export), &closure::to_json(&went), at)
            .await?;
        let closed = Step { from: &["closing"], to: "closed", by: &by, reason: &reason, at };
        store::step(&mut tx, tenant, &closed).await?;
        tx.commit().await?;
        tracing::info!(%tenant, relations = went.len(), "tenant is closed and its data deleted");
        Ok(())
    }
}
