use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use prost::Message as _;
use uuid::Uuid;
use yard_contracts::audit::v1::{AuditPhase, AuditRecord};
use yard_contracts::subjects;
use yard_fault::Fault;
use yard_runtime::trace;

use crate::{Nats, Outgoing};

impl Nats {
    /// Publishes records of audited calls to the stream AUDIT; each is durable once its future is
    /// done. What `yard_authn::audit::Publish` asks for.
    #[must_use]
    pub fn audit_trail(
        &self,
    ) -> Arc<dyn Fn(AuditRecord) -> BoxFuture<'static, Result<(), Fault>> + Send + Sync> {
        let nats = self.clone();
        Arc::new(move |record| {
            let nats = nats.clone();
            async move {
                let message = audit_message(&record)?;
                nats.publish(&message).await?.confirmed().await?;
                Ok(())
            }
            .boxed()
        })
    }
}

/// The message of a record; the same for every repetition.
///
/// # Errors
/// `internal` when the record has no id.
pub fn audit_message(record: &AuditRecord) -> Result<Outgoing, Fault> {
    let event: Uuid =
        record.event_id.parse().map_err(|_e| Fault::internal("an audit record without an id"))?;
    // Both phases of a call have one event id; JetStream shall not take the second for the first.
    let phase = match record.phase() {
        AuditPhase::Begun => b"begun".as_slice(),
        AuditPhase::Ended | AuditPhase::Unspecified => b"ended",
    };
    Ok(Outgoing {
        subject: subjects::audit(record.tenant_id.parse().ok()),
        id: Uuid::new_v5(&event, phase),
        payload: record.encode_to_vec().into(),
        traceparent: trace::current(),
    })
}
