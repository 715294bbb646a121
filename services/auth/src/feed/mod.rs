//! Tells every service what has ended before its time.
//!
//! What ended stands in `platform.revocations` from the moment it is committed; the table's
//! triggers see to that. This module carries the rows to the feed, and again when the broker has
//! lost some, so that neither a crash in between nor a broker made anew keeps one from arriving.

mod publisher;
mod store;

pub(crate) use publisher::Publisher;

use std::sync::Arc;

use tokio::sync::Notify;

/// Wakes the publisher after a commit, so that it need not wait for its next look.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nudge(Arc<Notify>);

impl Nudge {
    /// Something was committed that the feed should tell of.
    pub(crate) fn now(&self) {
        self.0.notify_one();
    }

    async fn came(&self) {
        self.0.notified().await;
    }
}
