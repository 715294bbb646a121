//! Work that waits in rows: looked for at once when somebody says that there is some, and every few
//! seconds for what another instance left behind.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use yard_fault::Fault;
use yard_runtime::{Runtime, TaskKind};

/// How often it looks when nobody woke it.
const LOOK: Duration = Duration::from_secs(5);

/// A task and what it says when a round of it fails.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task {
    pub(crate) name: &'static str,
    pub(crate) kind: TaskKind,
    /// Logged, with the fault; the round is tried again.
    pub(crate) trouble: &'static str,
}

/// Wakes a task that does rounds. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Rounds(Arc<Notify>);

impl Rounds {
    /// Begins to do rounds. One says whether there may be more to do at once.
    pub(crate) fn start<R, F>(task: Task, runtime: &Runtime, round: R) -> Self
    where
        R: Fn() -> F + Send + 'static,
        F: Future<Output = Result<bool, Fault>> + Send,
    {
        let this = Self(Arc::new(Notify::new()));
        let (worker, soft) = (this.clone(), runtime.shutdown().soft().clone());
        runtime.tasks().spawn(task.kind, task.name, async move {
            soft.run_until_cancelled(worker.work(task.trouble, round)).await;
            Ok(())
        });
        this
    }

    /// There is something to do now.
    pub(crate) fn wake(&self) {
        self.0.notify_one();
    }

    async fn work<R, F>(self, trouble: &'static str, round: R)
    where
        R: Fn() -> F,
        F: Future<Output = Result<bool, Fault>>,
    {
        loop {
            match round().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(fault) => {
                    let (code, problem) = (fault.code().as_str(), fault.inside());
                    tracing::warn!(code, problem, "{trouble}");
                }
            }
            // Elapsed or woken: both mean to look again.
            drop(tokio::time::timeout(LOOK, self.0.notified()).await);
        }
    }
}
