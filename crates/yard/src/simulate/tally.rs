//! What each device has counted so far, readable while it runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ledger::DeviceRun;

/// A device's counts and how it is doing.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) run: DeviceRun,
    pub(super) connected: bool,
    /// Why it is not connected.
    pub(super) trouble: Option<String>,
}

/// Shared between the device's task and the reporter.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally(Arc<Mutex<Counts>>);

impl Tally {
    pub(super) fn new(run: DeviceRun) -> Self {
        Self(Arc::new(Mutex::new(Counts { run, ..Counts::default() })))
    }

    /// Never held across an await.
    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
