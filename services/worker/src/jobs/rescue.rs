//! Jobs of workers that died: any worker takes them once their lease has ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use yard_pg::Pg;

use super::store;

/// Runs until `stop`.
pub(crate) async fn run(
    pg: Pg,
    every: Duration,
    wake: Arc<Notify>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(every) => {}
        }
        match store::rescue(&pg).await {
            Ok((0, 0)) => {}
            Ok((again, dead)) => {
                count("again", again);
                count("dead", dead);
                tracing::warn!(again, dead, "jobs of lost workers were taken over");
                wake.notify_one();
            }
            Err(error) => tracing::warn!(error = %error, "lost jobs could not be looked for"),
        }
    }
}

fn count(outcome: &'static str, jobs: i64) {
    let jobs = u64::try_from(jobs).unwrap_or(0);
    metrics::counter!("yard_jobs_rescued_total", "outcome" => outcome).increment(jobs);
}
