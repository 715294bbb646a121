//! What the server layer tells of calls: which, by whom, on what, and how they ended.
//!
//! A call whose policy asks for an entry is announced first, and carried out only once that is
//! durable; its outcome follows under the same id. A service that dies in between leaves the
//! announcement, which becomes an entry with the outcome `unknown`. So an audited call that took
//! effect is in the trail, whoever dies (ADR 0016).

mod denials;
mod notes;
mod object;
mod open;
mod outcome;
mod record;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use yard_contracts::audit::v1::AuditRecord;
use yard_contracts::policy;
use yard_fault::{Code, Fault};
use yard_ids::{Clock, IdSource};
use yard_runtime::{Runtime, TaskKind};

use crate::Caller;

pub use denials::Denials;
pub use notes::AuditNotes;
pub use record::{CLIENT_ADDRESS, LONGEST_AGENT, Origin, USER_AGENT};

pub(crate) use notes::Notes;
pub(crate) use object::{Answered, method};
pub(crate) use open::Open;
pub(crate) use outcome::{of_headers, of_trailers};

/// What the answer of an RPC names.
pub(crate) fn of_answer(path: &str, body: &Bytes) -> Answered {
    method(path).map(|method| object::of_answer(method, body)).unwrap_or_default()
}

/// Makes a record durable; done when it says so. Repeating one is harmless.
pub type Publish = Arc<dyn Fn(AuditRecord) -> BoxFuture<'static, Result<(), Fault>> + Send + Sync>;

/// A call does not wait longer for its announcement.
const BEGIN_WITHIN: Duration = Duration::from_secs(2);
/// An answer does not wait longer for its outcome's confirmation; the record goes on trying.
const END_WITHIN: Duration = Duration::from_secs(1);
/// Records that are tried again at the same time. Beyond, the announcement alone has to do.
const MOST_WAITING: usize = 4_096;

/// Tells the trail of this service's calls. Cheap to clone.
#[derive(Clone)]
pub struct Auditor(Arc<Inner>);

struct Inner {
    publish: Publish,
    runtime: Runtime,
    waiting: Arc<Semaphore>,
    denials: Denials,
}

impl std::fmt::Debug for Auditor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auditor").finish_non_exhaustive()
    }
}

impl Auditor {
    /// Starts the task that sends what was refused.
    #[must_use]
    pub fn start(runtime: &Runtime, publish: Publish) -> Self {
        let (denials, work) = Denials::new(runtime, Arc::clone(&publish));
        runtime.tasks().spawn(TaskKind::Background, "audit denials", work);
        let waiting = Arc::new(Semaphore::new(MOST_WAITING));
        Self(Arc::new(Inner { publish, runtime: runtime.clone(), waiting, denials }))
    }

    /// Refusals of this service.
    #[must_use]
    pub fn denials(&self) -> &Denials {
        &self.0.denials
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        self.0.runtime.clock()
    }

    pub(crate) fn ids(&self) -> Arc<dyn IdSource> {
        self.0.runtime.ids()
    }

    pub(crate) fn service(&self) -> &'static str {
        self.0.runtime.service()
    }

    /// Announces a call. Nothing may be done before this has answered.
    ///
    /// # Errors
    /// `audit.unavailable`; the call is not carried out then.
    pub(crate) async fn begin(&self, record: AuditRecord) -> Result<Open, Fault> {
        let since = tokio::time::Instant::now();
        let told = tokio::time::timeout(BEGIN_WITHIN, (self.0.publish)(record.clone())).await;
        measure("begin", since.elapsed());
        let open = Open::new(self.clone(), record);
        let problem = match told {
            Ok(Ok(())) => return Ok(open),
            Ok(Err(fault)) => fault.inside(),
            Err(_elapsed) => "not confirmed in time".to_owned(),
        };
        // It may have arrived all the same; then it is known that nothing was done.
        let refused = Fault::new(Code::AuditUnavailable).with_detail(problem);
        open.refused(refused.code());
        Err(refused)
    }

    /// Carries out, as an audited call of `path`, what came in by another door than gRPC. The work
    /// gives what the trail has to know besides its answer.
    ///
    /// # Errors
    /// `audit.unavailable` before anything was done, and the work's own.
    pub async fn carry_out<T, W>(&self, path: &str, origin: Origin, work: W) -> Result<T, Fault>
    where
        W: Future<Output = Result<(T, AuditNotes), Fault>>,
    {
        let method = policy::methods().get(path);
        let method = method.ok_or_else(|| Fault::internal(format!("{path} is no RPC")))?;
        let incident = self.ids().uuid7().as_hyphenated().to_string();
        let caller = Caller::anonymous();
        let record = self.announcement(method, &caller, &incident, origin, &Bytes::new());
        let notes = Notes::default();
        let open = self.begin(record).await?.with(notes.clone());
        match work.await {
            Ok((answer, noted)) => {
                notes.change(|notes| *notes = noted);
                open.end("ok", Answered::default()).await;
                Ok(answer)
            }
            Err(fault) => {
                open.end(fault.code().as_str(), Answered::default()).await;
                Err(fault)
            }
        }
    }

    /// Tells how a call ended; waits a moment for the confirmation, and goes on trying without
    /// the caller.
    pub(crate) async fn end(&self, record: AuditRecord) {
        let since = tokio::time::Instant::now();
        let told = tokio::time::timeout(END_WITHIN, (self.0.publish)(record.clone())).await;
        measure("end", since.elapsed());
        if !matches!(told, Ok(Ok(()))) {
            self.keep_trying(record);
        }
    }

    /// Without anyone waiting.
    pub(crate) fn keep_trying(&self, record: AuditRecord) {
        let Ok(place) = Arc::clone(&self.0.waiting).try_acquire_owned() else {
            metrics::counter!("yard_audit_outcomes_dropped_total").increment(1);
            return;
        };
        let (publish, hard) =
            (Arc::clone(&self.0.publish), self.0.runtime.shutdown().hard().clone());
        let soft = self.0.runtime.shutdown().soft().clone();
        self.0.runtime.tasks().spawn_request(async move {
            let _place = place;
            let mut pause = Duration::from_millis(100);
            // A service that stops gives it one more try: the announcement is there anyway.
            while publish(record.clone()).await.is_err() && !soft.is_cancelled() {
                metrics::counter!("yard_audit_retries_total").increment(1);
                tokio::select! {
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(5)),
                    () = hard.cancelled() => return,
                    () = soft.cancelled() => {}
                }
            }
        });
    }
}

fn measure(phase: &'static str, took: Duration) {
    metrics::histogram!("yard_audit_confirm_seconds", "phase" => phase).record(took.as_secs_f64());
}
