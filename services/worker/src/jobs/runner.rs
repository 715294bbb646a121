//! Claims jobs that are due, runs them in a bounded number of slots, and writes down how each
//! ended, as long as the lease is still ours.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use yard_fault::{Code, Fault};
use yard_ids::IdSource;
use yard_pg::{Pg, PgError};

use super::kinds::JobKind;
use super::store::{self, Claimed, Ending};
use crate::JobsConfig;

/// Attempts to write down an ending, a second apart; after that the lease runs out and the job
/// is run again.
const FINISH_ATTEMPTS: u32 = 10;

/// Runs the queue's jobs.
pub(crate) struct Runner {
    pg: Pg,
    slots: usize,
    lease: Duration,
    poll: Duration,
    ids: Arc<dyn IdSource>,
    wake: Arc<Notify>,
}

impl Runner {
    pub(crate) fn new(
        pg: Pg,
        config: &JobsConfig,
        ids: Arc<dyn IdSource>,
        wake: Arc<Notify>,
    ) -> Self {
        let JobsConfig { slots, lease, poll, .. } = *config;
        Self { pg, slots, lease, poll, ids, wake }
    }

    /// After `soft` no more jobs are taken; after `hard` those that still run are given back.
    pub(crate) async fn run(
        self,
        soft: CancellationToken,
        hard: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut running: FuturesUnordered<BoxFuture<'static, Uuid>> = FuturesUnordered::new();
        let mut tokens: Vec<Uuid> = Vec::new();
        while !soft.is_cancelled() {
            let free = self.slots.saturating_sub(running.len());
            let claimed = if free > 0 { self.claim(free).await } else { Vec::new() };
            for job in claimed {
                tokens.push(job.lease_token);
                running.push(work(self.pg.clone(), job, self.lease).boxed());
            }
            tokio::select! {
                () = soft.cancelled() => {}
                Some(token) = running.next() => forget(&mut tokens, token),
                () = self.wake.notified() => {}
                () = tokio::time::sleep(self.poll) => {}
            }
        }
        loop {
            tokio::select! {
                done = running.next() => match done {
                    Some(token) => forget(&mut tokens, token),
                    None => return Ok(()),
                },
                () = hard.cancelled() => break,
            }
        }
        drop(running);
        let returned = store::give_back(&self.pg, &tokens).await?;
        tracing::warn!(returned, "running jobs were given back");
        Ok(())
    }

    async fn claim(&self, free: usize) -> Vec<Claimed> {
        let most = i64::try_from(free).unwrap_or(i64::MAX);
        match store::claim(&self.pg, self.ids.uuid7(), self.lease, most).await {
            Ok(jobs) => jobs,
            Err(error) => {
                tracing::warn!(error = %error, "jobs could not be claimed");
                Vec::new()
            }
        }
    }
}

fn forget(tokens: &mut Vec<Uuid>, token: Uuid) {
    if let Some(at) = tokens.iter().position(|held| *held == token) {
        tokens.swap_remove(at);
    }
}

/// One attempt, from the claim to the ending; answers its lease's token.
async fn work(pg: Pg, job: Claimed, lease: Duration) -> Uuid {
    let outcome = tokio::select! {
        outcome = attempt(&pg, &job) => Some(outcome),
        () = until_fenced(&pg, &job, lease) => None,
    };
    match outcome {
        Some(outcome) => finish(&pg, &job, outcome).await,
        None => fenced(&job),
    }
    job.lease_token
}

async fn attempt(pg: &Pg, job: &Claimed) -> Result<(), Fault> {
    let kind = JobKind::of_name(&job.kind).ok_or_else(|| Fault::new(Code::JobKindUnknown))?;
    tracing::debug!(job = %job.id, kind = job.kind, attempt = job.attempt, "job begins");
    let run = AssertUnwindSafe(kind.run(pg)).catch_unwind().await;
    run.unwrap_or_else(|_panic| Err(Fault::internal("the handler panicked")))
}

/// Heartbeats; ends when another worker has the job.
async fn until_fenced(pg: &Pg, job: &Claimed, lease: Duration) {
    loop {
        tokio::time::sleep(lease / 3).await;
        match store::heartbeat(pg, job, lease).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(job = %job.id, error = %error, "heartbeat failed"),
        }
    }
}

async fn finish(pg: &Pg, job: &Claimed, outcome: Result<(), Fault>) {
    let ending = match outcome {
        Ok(()) => Ending::Completed,
        Err(fault) => {
            fault.log(&job.id.to_string(), "run a job");
            Ending::Failed(format!("{}: {}", fault.code().as_str(), fault.public()))
        }
    };
    match write_down(pg, job, &ending).await {
        Ok(true) => count(job, &ending),
        Ok(false) => fenced(job),
        Err(error) => tracing::error!(job = %job.id, error = %error, "a job's end is not written"),
    }
}

async fn write_down(pg: &Pg, job: &Claimed, ending: &Ending) -> Result<bool, PgError> {
    let mut attempts = 1;
    loop {
        match store::finish(pg, job, ending).await {
            Err(error) if error.is_transient() && attempts < FINISH_ATTEMPTS => {
                attempts += 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            done => return done,
        }
    }
}

fn count(job: &Claimed, ending: &Ending) {
    let outcome = match ending {
        Ending::Completed => "completed",
        Ending::Failed(_) if job.attempt >= super::MOST_ATTEMPTS => "dead",
        Ending::Failed(_) => "again",
    };
    let kind = JobKind::of_name(&job.kind).map_or("unknown", JobKind::name);
    metrics::counter!("yard_jobs_total", "kind" => kind, "outcome" => outcome).increment(1);
}

/// The lease ended before the work did. Another worker has the job; this result is nobody's.
fn fenced(job: &Claimed) {
    metrics::counter!("yard_jobs_fenced_total").increment(1);
    tracing::warn!(job = %job.id, kind = job.kind, "a job was taken over; its result is dropped");
}
