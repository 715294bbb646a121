//! Sockets end with what let them in.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use yard_authn::revocations::Standing;
use yard_authn::{Grant, Revocations};
use yard_ids::Clock;
use yard_runtime::Runtime;

use super::Door;
use crate::protocol::Closing;

/// How often natural ends are looked for.
const LOOK: Duration = Duration::from_secs(1);
/// Changes that come together are looked at together.
const GATHER: Duration = Duration::from_millis(20);

/// Says whether a grant still stands.
#[derive(Clone)]
pub(crate) struct Judge {
    revocations: Revocations,
    clock: Arc<dyn Clock>,
}

impl Judge {
    pub(crate) fn new(revocations: &Revocations, rt: &Runtime) -> Self {
        Self { revocations: revocations.clone(), clock: rt.clock() }
    }

    /// Why a socket with this grant has to end; `None` while it may stay.
    pub(super) fn verdict(&self, grant: &Grant) -> Option<Closing> {
        if grant.ends.is_some_and(|ends| ends <= self.clock.now().unix_timestamp()) {
            return Some(Closing::SessionEnded);
        }
        match self.revocations.standing(grant) {
            Standing::Stands => None,
            Standing::Changed => Some(Closing::AccessChanged),
            Standing::Ended => Some(Closing::SessionEnded),
        }
    }
}

/// Closes sockets whose grants have ended, until the soft stop.
pub(crate) async fn end_with_grants(door: Arc<Door>, rt: Runtime) -> anyhow::Result<()> {
    let soft = rt.shutdown().soft().clone();
    let mut changes = door.judge.revocations.changes();
    while !soft.is_cancelled() {
        tokio::select! {
            () = soft.cancelled() => return Ok(()),
            changed = timeout(LOOK, changes.changed()) => {
                if changed.is_ok() {
                    sleep(GATHER).await;
                    changes.mark_unchanged();
                }
            }
        }
        door.registry.end(|grant| door.judge.verdict(grant));
    }
    Ok(())
}
