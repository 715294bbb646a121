use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;
use yard_messaging::{MessagingError, Nats};

/// Asks the broker whether it has all that was said; those who want to know at the same time share
/// one question.
pub(super) struct Heard {
    nats: Nats,
    asked: AtomicU64,
    /// Askers up to this one are answered. Whoever holds it is asking.
    answered: Mutex<u64>,
}

impl Heard {
    pub(super) fn new(nats: Nats) -> Self {
        Self { nats, asked: AtomicU64::new(0), answered: Mutex::new(0) }
    }

    /// Returns when the broker has what was said before.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) async fn settle(&self) -> Result<(), MessagingError> {
        let own = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        let mut answered = self.answered.lock().await;
        if *answered >= own {
            return Ok(());
        }
        // Whoever has come up to here had spoken before.
        let all = self.asked.load(Ordering::Acquire);
        self.nats.settle().await?;
        *answered = all;
        drop(answered);
        Ok(())
    }
}
