use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use prost::Message as _;
use time::OffsetDateTime;
use tokio::sync::watch;
use yard_contracts::device::v1::{CutDeviceReply, CutDeviceRequest, CutOutcome};
use yard_contracts::subjects;
use yard_fault::Fault;
use yard_ids::Clock;
use yard_messaging::Nats;
use yard_pg::{Actor, Pg, PlatformTx};

use super::store::{self, Unenforced};
use crate::ca::SignedList;
use crate::telemetry;

/// How often what is not yet enforced is tried again; also how soon another instance's is noticed.
const LOOK: Duration = Duration::from_secs(2);
/// device-ingest waits four seconds for the broker's list and two for the kick.
const PATIENCE: Duration = Duration::from_secs(7);
const MOST: i64 = 200;
const AT_ONCE: usize = 64;

/// Sees to it that a revoked certificate's connections end: asks device-ingest, which asks the
/// broker once that has the list in force, and writes down when it was done. What fails is found
/// in the table and tried again, so nothing has to be remembered between.
pub(super) struct Enforcer {
    pub(super) pg: Pg,
    pub(super) nats: Nats,
    pub(super) clock: Arc<dyn Clock>,
    /// Wakes it: a list was signed.
    pub(super) lists: watch::Receiver<Option<SignedList>>,
}

type Asked = BoxFuture<'static, (Unenforced, bool)>;

impl Enforcer {
    /// Each revocation is asked for by itself, so that none waits behind another's broker.
    pub(super) async fn run(mut self) {
        let mut asked = FuturesUnordered::<Asked>::new();
        let mut under_way = HashSet::new();
        self.look(&mut asked, &mut under_way).await;
        loop {
            tokio::select! {
                Some((revoked, done)) = asked.next() => {
                    under_way.remove(&revoked.serial);
                    if done {
                        self.note(&revoked).await;
                    }
                }
                // Elapsed or changed: both mean to look. The keeper's end means that we leave.
                woken = tokio::time::timeout(LOOK, self.lists.changed()) => {
                    if let Ok(Err(_)) = woken {
                        return;
                    }
                    self.look(&mut asked, &mut under_way).await;
                }
            }
        }
    }

    async fn look(&self, asked: &mut FuturesUnordered<Asked>, under_way: &mut HashSet<String>) {
        let waiting = match self.waiting().await {
            Ok(waiting) => waiting,
            Err(fault) => {
                let (code, problem) = (fault.code().as_str(), fault.inside());
                tracing::warn!(code, problem, "could not look for revocations to enforce");
                return;
            }
        };
        telemetry::revocations_pending(waiting.len());
        for revoked in waiting {
            if under_way.len() < AT_ONCE && under_way.insert(revoked.serial.clone()) {
                let nats = self.nats.clone();
                asked.push(Box::pin(async move {
                    let done = ask(&nats, &revoked).await;
                    (revoked, done)
                }));
            }
        }
    }

    async fn waiting(&self) -> Result<Vec<Unenforced>, Fault> {
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("auth")).await?;
        let waiting = store::unenforced(&mut tx, self.clock.now(), MOST).await?;
        tx.commit().await?;
        Ok(waiting)
    }

    /// What cannot be written down is asked for again; the answer will be the same.
    async fn note(&self, revoked: &Unenforced) {
        let now = self.clock.now();
        let serial = revoked.serial.as_str();
        match self.write_down(serial, now).await {
            Ok(true) => {
                let seconds = (now - revoked.revoked_at).as_seconds_f64();
                telemetry::revocation_enforced(seconds);
                tracing::info!(serial, seconds, "revocation enforced at the broker");
            }
            Ok(false) => {}
            Err(fault) => {
                let (code, problem) = (fault.code().as_str(), fault.inside());
                tracing::warn!(code, problem, serial, "could not write down an enforcement");
            }
        }
    }

    async fn write_down(&self, serial: &str, now: OffsetDateTime) -> Result<bool, Fault> {
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("auth")).await?;
        let first = store::enforced(&mut tx, serial, now).await?;
        tx.commit().await?;
        Ok(first)
    }
}

/// Whether nobody is connected with it any more.
async fn ask(nats: &Nats, revoked: &Unenforced) -> bool {
    let device_id = revoked.device_id.as_hyphenated().to_string();
    let request = CutDeviceRequest { device_id, list_number: revoked.listed_in };
    let payload = Bytes::from(request.encode_to_vec());
    match nats.ask(subjects::BROKER_CUT.to_owned(), payload, PATIENCE).await {
        Ok(answer) => {
            CutDeviceReply::decode(answer).is_ok_and(|reply| reply.outcome() == CutOutcome::Cut)
        }
        Err(error) => {
            tracing::debug!(error = %error, serial = revoked.serial, "not enforced yet");
            false
        }
    }
}
