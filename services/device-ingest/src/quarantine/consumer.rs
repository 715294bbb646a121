use prost::Message as _;
use uuid::Uuid;
use yard_contracts::telemetry::v1::QuarantineRecord;
use yard_contracts::values::moment;
use yard_fault::{Code, Fault};
use yard_ids::TenantId;
use yard_messaging::{BatchHandler, Delivery, Outcome};
use yard_pg::{Actor, Pg, TenantTx};

use super::store::{self, Row};
use crate::SERVICE;

/// Moves messages from stream QUARANTINE into the tenants' tables.
pub(crate) struct Keeper {
    pub(crate) pg: Pg,
}

impl BatchHandler for Keeper {
    async fn handle(&mut self, batch: &[Delivery]) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = Vec::new();
        let mut kept: Vec<(usize, TenantId, Row)> = Vec::new();
        for (at, delivery) in batch.iter().enumerate() {
            match read(&delivery.payload) {
                Ok((tenant, row)) => {
                    kept.push((at, tenant, row));
                    outcomes.push(None);
                }
                Err(fault) => outcomes.push(Some(Outcome::Failed(fault))),
            }
        }
        kept.sort_by_key(|(_, tenant, _)| *tenant);
        for group in kept.chunk_by(|(_, a, _), (_, b, _)| a == b) {
            let written = self.write(group).await;
            for (at, ..) in group {
                if let Some(outcome) = outcomes.get_mut(*at) {
                    *outcome = written.as_ref().err().map(|fault| {
                        let detail = fault.inside();
                        Outcome::Failed(Fault::new(fault.code()).with_detail(detail))
                    });
                }
            }
        }
        outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Done)).collect()
    }
}

impl Keeper {
    /// One tenant's messages in one transaction.
    async fn write(&self, group: &[(usize, TenantId, Row)]) -> Result<(), Fault> {
        let Some((_, tenant, _)) = group.first() else {
            return Ok(());
        };
        let mut tx = TenantTx::begin(&self.pg, *tenant, &Actor::service(SERVICE)).await?;
        for (.., row) in group {
            store::insert(&mut tx, row).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

fn read(payload: &[u8]) -> Result<(TenantId, Row), Fault> {
    let unreadable = |what: &str| Fault::new(Code::RequestMalformed).with_detail(what);
    let record = QuarantineRecord::decode(payload)
        .map_err(|e| unreadable("quarantine record").with_source(e))?;
    let id = |text: &str| {
        Uuid::try_parse(text).map_err(|e| unreadable("an id of the record").with_source(e))
    };
    let received_at = record.received_at.as_ref().and_then(moment);
    let row = Row {
        message_id: id(&record.message_id)?,
        device_id: id(&record.device_id)?,
        topic: record.topic,
        reason_code: record.reason_code,
        pointer: record.pointer,
        detail: record.detail,
        payload: record.payload,
        received_at: received_at.ok_or_else(|| unreadable("time"))?,
    };
    Ok((TenantId::from_uuid(id(&record.tenant_id)?), row))
}
