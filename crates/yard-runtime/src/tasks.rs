use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Shutdown;

/// What the end of a task means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskKind {
    /// The service is nothing without it: if it fails, or ends before the soft stop, the service
    /// leaves with a failure.
    Critical,
    /// A failure is logged and counted; the service goes on.
    Background,
}

/// Every task of the process. Nothing is spawned elsewhere.
#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    shutdown: Shutdown,
    failed: Arc<AtomicBool>,
    failure: CancellationToken,
}

impl Tasks {
    pub(crate) fn new(shutdown: Shutdown) -> Self {
        Self {
            tracker: TaskTracker::new(),
            shutdown,
            failed: Arc::default(),
            failure: CancellationToken::new(),
        }
    }

    /// Starts a long-lived task.
    pub fn spawn<F>(&self, kind: TaskKind, name: &'static str, work: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let this = self.clone();
        // One level more, so that a panic ends in a result and not in silence.
        let handle = self.tracker.spawn(work);
        self.tracker.spawn(async move {
            let problem = match handle.await {
                Ok(Ok(())) if this.shutdown.soft().is_cancelled() => return,
                Ok(Ok(())) if kind == TaskKind::Background => return,
                Ok(Ok(())) => "ended by itself".to_owned(),
                Ok(Err(error)) => format!("{error:#}"),
                Err(join) => format!("panicked: {join}"),
            };
            this.note_failure(kind, name, &problem);
        });
    }

    /// Starts work that belongs to one request or connection.
    pub fn spawn_request<F>(&self, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(work);
    }

    fn note_failure(&self, kind: TaskKind, name: &'static str, problem: &str) {
        metrics::counter!("yard_task_failures_total", "task" => name).increment(1);
        tracing::error!(task = name, problem, "task failed");
        if kind == TaskKind::Critical {
            self.failed.store(true, Ordering::Relaxed);
            self.failure.cancel();
        }
    }

    /// Resolves when a critical task has failed.
    pub(crate) async fn critical_failure(&self) {
        self.failure.cancelled().await;
    }

    pub(crate) fn any_critical_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Waits until every task has ended.
    pub(crate) async fn finished(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    pub(crate) fn alive(&self) -> usize {
        self.tracker.len()
    }
}
