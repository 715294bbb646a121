use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

type Probe =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// A named check of one of the service's own dependencies.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    probe: Probe,
    advisory: bool,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Check {
    /// `probe` answers within two seconds or counts as failed. Its error text is for operators.
    pub fn new<F, Fut>(name: &'static str, probe: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self { name, probe: Arc::new(move || Box::pin(probe())), advisory: false }
    }

    /// Shown to operators, but the service works without it: it does not decide readiness.
    #[must_use]
    pub const fn advisory(mut self) -> Self {
        self.advisory = true;
        self
    }

    async fn run(&self) -> CheckResult {
        let outcome = match tokio::time::timeout(PROBE_TIMEOUT, (self.probe)()).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err("no answer within 2 s".to_owned()),
        };
        let (ok, problem) = (outcome.is_ok(), outcome.err());
        CheckResult { name: self.name, ok, advisory: self.advisory, problem }
    }
}

/// Answer of `/health` for one check.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CheckResult {
    pub(crate) name: &'static str,
    pub(crate) ok: bool,
    pub(crate) advisory: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

/// Readiness: every handle dropped, every check answered, not draining.
#[derive(Debug, Clone, Default)]
pub struct Health {
    waiting: Arc<Mutex<Vec<&'static str>>>,
    checks: Arc<Mutex<Vec<Check>>>,
}

/// Keeps the service from being ready until it is dropped.
#[derive(Debug)]
pub struct ReadyHandle {
    name: &'static str,
    waiting: Arc<Mutex<Vec<&'static str>>>,
}

impl Drop for ReadyHandle {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = waiting.iter().position(|name| *name == self.name) {
            waiting.swap_remove(at);
        }
    }
}

impl Health {
    /// Registers something that has to come up first; drop the handle when it has.
    #[must_use]
    pub fn await_start(&self, name: &'static str) -> ReadyHandle {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        ReadyHandle { name, waiting: Arc::clone(&self.waiting) }
    }

    /// Adds a check of a dependency.
    pub fn register(&self, check: Check) {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).push(check);
    }

    /// Whether all that had to come up has, and every check that decides it is well.
    pub async fn is_ready(&self) -> bool {
        let well = |check: &CheckResult| check.ok || check.advisory;
        self.waiting().is_empty() && self.run_checks().await.iter().all(well)
    }

    pub(crate) fn waiting(&self) -> Vec<&'static str> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) async fn run_checks(&self) -> Vec<CheckResult> {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        futures::future::join_all(checks.iter().map(Check::run)).await
    }
}
