use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use yard_contracts::audit::v1::AuditRecord;
use yard_fault::Fault;
use yard_ids::Clock;
use yard_messaging::{Nats, audit_message};
use yard_pg::outbox::{self, Entry, Outbox};
use yard_pg::{Actor, Pg, PlatformTx};

/// How long the broker is waited for before the record goes to the outbox instead.
const BROKER_WITHIN: Duration = Duration::from_millis(500);

/// Makes records of audited calls durable in JetStream, or, while that is away, in this service's
/// outbox: a service that can do its work without the broker can announce it without the broker.
/// What `yard_authn::audit::Publish` asks for.
#[must_use]
pub fn audit_trail(
    pg: Pg,
    nats: Nats,
    outbox: Outbox,
    nudge: Arc<Notify>,
    clock: Arc<dyn Clock>,
) -> Arc<dyn Fn(AuditRecord) -> BoxFuture<'static, Result<(), Fault>> + Send + Sync> {
    let broker = nats.audit_trail();
    Arc::new(move |record| {
        let (pg, nats, nudge) = (pg.clone(), nats.clone(), Arc::clone(&nudge));
        let (broker, clock) = (Arc::clone(&broker), Arc::clone(&clock));
        async move {
            if nats.is_connected() {
                let told = tokio::time::timeout(BROKER_WITHIN, broker(record.clone())).await;
                if matches!(told, Ok(Ok(()))) {
                    return Ok(());
                }
            }
            write(&pg, outbox, &record, clock.as_ref()).await?;
            nudge.notify_one();
            Ok(())
        }
        .boxed()
    })
}

async fn write(
    pg: &Pg,
    outbox: Outbox,
    record: &AuditRecord,
    clock: &dyn Clock,
) -> Result<(), Fault> {
    let message = audit_message(record)?;
    let entry = Entry {
        id: message.id,
        tenant: record.tenant_id.parse().ok(),
        subject: message.subject,
        payload: message.payload.to_vec(),
        traceparent: message.traceparent,
    };
    let mut tx = PlatformTx::begin(pg, &Actor::service("outbox")).await?;
    outbox::write_once(&mut tx, outbox, &entry, clock.now()).await?;
    tx.commit().await?;
    metrics::counter!("yard_audit_outbox_total").increment(1);
    Ok(())
}
