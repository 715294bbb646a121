use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use yard_fault::Fault;
use yard_ids::{CommandId, TenantId};
use yard_pg::{Actor, PlatformTx, TenantTx};

use super::store::{self, Proof};
use super::{Desk, Step, live};
use crate::{ACTOR, SERVICE};

const MOST_AT_ONCE: i64 = 500;

/// Ends commands whose deadline has passed. Any number of instances may: the row decides.
pub(crate) struct Deadlines {
    pub(crate) desk: Desk,
}

impl Deadlines {
    pub(crate) async fn run(
        self,
        interval: Duration,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        while !stop.is_cancelled() {
            if let Err(fault) = self.sweep().await {
                fault.log("", "end overdue commands");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(interval) => {}
            }
        }
        Ok(())
    }

    async fn sweep(&self) -> Result<(), Fault> {
        let mut tx = PlatformTx::begin(&self.desk.pg, &Actor::service(SERVICE)).await?;
        let due: Vec<(Uuid, Uuid)> = sqlx::query_as(
            "select command_id, tenant_id from platform.command_deadlines \
             where deadline <= $1 order by deadline limit $2",
        )
        .bind(self.desk.clock.now())
        .bind(MOST_AT_ONCE)
        .fetch_all(&mut *tx)
        .await
        .map_err(yard_pg::fault)?;
        drop(tx);
        for (command, tenant) in due {
            self.end(TenantId::from_uuid(tenant), CommandId::from_uuid(command)).await?;
        }
        Ok(())
    }

    async fn end(&self, tenant: TenantId, command: CommandId) -> Result<(), Fault> {
        let mut tx = TenantTx::begin(&self.desk.pg, tenant, &Actor::service(SERVICE)).await?;
        let row = store::lock(&mut tx, command).await?;
        let next = row.as_ref().and_then(|row| row.state().after(Step::DeadlinePassed));
        let at = self.desk.clock.now();
        let proof = Proof { at, actor: ACTOR, evidence: "deadline passed" };
        let ended = row.zip(next);
        match &ended {
            Some((row, next)) => {
                store::advance(&mut tx, row, *next, proof, None).await?;
            }
            None => store::delete_deadline(&mut tx, command.uuid()).await?,
        }
        tx.commit().await?;
        if let Some((row, next)) = ended {
            live::announce(&self.desk.nats, tenant, &row, next, at, proof.evidence).await;
        }
        Ok(())
    }
}
