//! The two ways in: this service's own calls, and the stream AUDIT.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use prost::Message as _;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use yard_authn::audit::Publish;
use yard_contracts::audit::v1::AuditRecord;
use yard_contracts::streams::AUDIT;
use yard_fault::{Class, Code, Fault};
use yard_messaging::{BatchHandler, ConsumerSpec, Delivery, Nats, Outcome, consume as pull};
use yard_pg::{Actor, PlatformTx};
use yard_runtime::{Runtime, TaskKind};

use super::append::append;
use super::incoming::Incoming;
use super::{Desk, store};
use crate::telemetry;

/// Records of one transaction.
const MOST_AT_ONCE: usize = 500;
/// Records of this service that wait for the next transaction.
const QUEUE: usize = 4_096;
/// After the soft stop.
const QUIET: Duration = Duration::from_secs(5);
/// How long the end of a call may take. Calls are answered within ten seconds, streams tell their
/// beginning.
const GIVEN_UP_AFTER: time::Duration = time::Duration::minutes(2);
/// While the database does not answer, the stream keeps its records and is asked again.
const AGAIN: Duration = Duration::from_secs(5);

type Waiting = (Incoming, oneshot::Sender<Result<(), Code>>);

/// Takes the records of this service's own calls. They need no detour by the broker: what auth
/// does, it does in the same database.
pub(crate) struct Trail(mpsc::Sender<Waiting>);

impl Trail {
    /// What the server layer publishes by.
    pub(crate) fn publish(&self) -> Publish {
        let sender = self.0.clone();
        Arc::new(move |record: AuditRecord| {
            let sender = sender.clone();
            async move {
                let (answer, stored) = oneshot::channel();
                let gone = |_closed| Fault::new(Code::ServiceDraining);
                sender.send((Incoming::read(record)?, answer)).await.map_err(gone)?;
                let stored = stored.await.map_err(|_dropped| Fault::new(Code::ServiceDraining))?;
                stored.map_err(Fault::new)
            }
            .boxed()
        })
    }
}

/// Starts the writer of this service's own records, and the sweep.
pub(super) fn start(desk: &Desk, runtime: &Runtime, sweep_every: Duration) -> Trail {
    let (sender, receiver) = mpsc::channel(QUEUE);
    // Beyond the soft stop: calls that are finished after it still tell of their end.
    let (soft, hard) = (runtime.shutdown().soft().clone(), runtime.shutdown().hard().clone());
    let work = write(desk.clone(), receiver, soft.clone(), hard);
    runtime.tasks().spawn(TaskKind::Critical, "audit writer", work);
    let sweep = sweep(desk.clone(), sweep_every, soft);
    runtime.tasks().spawn(TaskKind::Critical, "audit sweep", sweep);
    Trail(sender)
}

/// Whatever has come while the last transaction ran is the next one.
async fn write(
    desk: Desk,
    mut receiver: mpsc::Receiver<Waiting>,
    soft: CancellationToken,
    hard: CancellationToken,
) -> anyhow::Result<()> {
    let mut waiting = Vec::with_capacity(MOST_AT_ONCE);
    loop {
        tokio::select! {
            received = receiver.recv_many(&mut waiting, MOST_AT_ONCE) => {
                if received == 0 {
                    return Ok(());
                }
            }
            () = idle_after(&soft) => return Ok(()),
            () = hard.cancelled() => return Ok(()),
        }
        let (records, answers): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
        let stored = append(&desk, &records).await;
        if let Err(fault) = &stored {
            fault.log("", "append to the audit trail");
        }
        let stored = stored.map_err(|fault| fault.code());
        for answer in answers {
            // Who asked may have given up; the entry stays.
            let _gone = answer.send(stored).is_err();
        }
    }
}

/// The writer ends when the last call in hand is over and nobody can send any more. Should
/// somebody hold on without a word, it does not wait for ever.
async fn idle_after(soft: &CancellationToken) {
    soft.cancelled().await;
    tokio::time::sleep(QUIET).await;
}

/// Announced calls whose service died become entries with an unknown outcome.
async fn sweep(desk: Desk, every: Duration, soft: CancellationToken) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(every);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = soft.cancelled() => return Ok(()),
        }
        if let Err(fault) = sweep_once(&desk).await {
            fault.log("", "sweep the audit trail");
        }
    }
}

async fn sweep_once(desk: &Desk) -> Result<(), Fault> {
    let before = desk.clock.now() - GIVEN_UP_AFTER;
    let most = i64::try_from(MOST_AT_ONCE).unwrap_or(i64::MAX);
    let mut tx = PlatformTx::begin(&desk.pg, &Actor::service("auth")).await?;
    let forgotten = store::forgotten(&mut tx, before, most).await?;
    tx.commit().await?;
    let records = forgotten.iter().filter_map(|record| AuditRecord::decode(&**record).ok());
    let records: Vec<_> = records.filter_map(|record| Incoming::read(record).ok()).collect();
    if records.is_empty() {
        return Ok(());
    }
    telemetry::audit_unknown(records.len());
    let records: Vec<_> = records.into_iter().map(Incoming::given_up).collect();
    append(desk, &records).await
}

/// Takes what the other services tell.
pub(super) fn consume(desk: &Desk, runtime: &Runtime, nats: &Nats) {
    let spec = ConsumerSpec {
        stream: AUDIT.name,
        name: "audit-chain",
        filter: String::new(),
        ack_wait: Duration::from_secs(30),
        max_ack_pending: 4_096,
        max_batch: MOST_AT_ONCE,
    };
    let soft = runtime.shutdown().soft().clone();
    let work = pull(nats.clone(), spec, Chains(desk.clone()), soft);
    runtime.tasks().spawn(TaskKind::Critical, "audit chain", work);
}

struct Chains(Desk);

impl BatchHandler for Chains {
    async fn handle(&mut self, batch: &[Delivery]) -> Vec<Outcome> {
        let read = |delivery: &Delivery| {
            let record = AuditRecord::decode(delivery.payload.clone()).map_err(|e| {
                Fault::new(Code::RequestMalformed).with_detail("audit record").with_source(e)
            })?;
            Incoming::read(record)
        };
        let (mut records, mut outcomes) = (Vec::new(), Vec::new());
        for delivery in batch {
            match read(delivery) {
                Ok(record) => {
                    records.push(record);
                    outcomes.push(None);
                }
                Err(fault) => outcomes.push(Some(Outcome::Failed(fault))),
            }
        }
        let stored = append(&self.0, &records).await;
        if let Err(fault) = &stored {
            fault.log("", "append to the audit trail");
        }
        let outcome = || match &stored {
            Ok(()) => Outcome::Done,
            // However long it takes: a chain without an entry is worse than a late one.
            Err(fault) if fault.class() != Class::Internal => Outcome::Later(AGAIN),
            Err(fault) => Outcome::Failed(Fault::new(fault.code()).with_detail(fault.inside())),
        };
        outcomes.into_iter().map(|settled| settled.unwrap_or_else(outcome)).collect()
    }
}
