use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use yard_fault::Fault;
use yard_pg::{Actor, PlatformTx};
use yard_runtime::{Runtime, TaskKind};

use super::store::{self, Asked};
use super::{GOOD_FOR, MOST_LINKS, PAUSE, RegistrationParts};
use crate::mail::{Address, Letter, Page, Recipient};
use crate::people::LinkToken;
use crate::telemetry;

/// How often it looks when nobody woke it.
const LOOK: Duration = Duration::from_secs(5);

/// Writes the mails to those who asked for a tenant. Any number of instances may.
#[derive(Clone)]
pub(super) struct Clerk {
    parts: Arc<RegistrationParts>,
    wake: Arc<Notify>,
}

impl Clerk {
    /// Begins to look.
    pub(super) fn start(parts: &Arc<RegistrationParts>, runtime: &Runtime) -> Self {
        let this = Self { parts: Arc::clone(parts), wake: Arc::new(Notify::new()) };
        let (worker, soft) = (this.clone(), runtime.shutdown().soft().clone());
        runtime.tasks().spawn(TaskKind::Critical, "registrations", async move {
            soft.run_until_cancelled(worker.work()).await;
            Ok(())
        });
        this
    }

    /// Somebody has asked.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    async fn work(self) {
        loop {
            match self.one().await {
                // There may be more.
                Ok(true) => continue,
                Ok(false) => {}
                Err(fault) => {
                    let (code, problem) = (fault.code().as_str(), fault.inside());
                    tracing::warn!(code, problem, "registrations could not be answered yet");
                }
            }
            // Elapsed or woken: both mean to look again.
            drop(tokio::time::timeout(LOOK, self.wake.notified()).await);
        }
    }

    /// Whether there was one.
    async fn one(&self) -> Result<bool, Fault> {
        let mut tx = PlatformTx::begin(&self.parts.pg, &Actor::service("auth")).await?;
        let now = self.parts.clock.now();
        let Some(asked) = store::take(&mut tx).await? else {
            return Ok(false);
        };
        // Two that asked for one address are looked at one after the other.
        store::lock(&mut tx, &asked.email).await?;
        let links = store::links(&mut tx, &asked.email, now - GOOD_FOR).await?;
        let too_soon = links.newest.is_some_and(|newest| newest + PAUSE > now);
        // A link that leads to a closed door helps nobody.
        let closed = !self.parts.rules.open;
        let enough = links.count >= MOST_LINKS || too_soon;
        let outcome = if closed || asked.expires_at <= now || enough {
            store::drop_wish(&mut tx, asked.id, now).await?;
            "dropped"
        } else {
            self.send(&mut tx, asked).await?;
            "mailed"
        };
        tx.commit().await?;
        telemetry::registration(outcome);
        self.parts.post.wake();
        Ok(true)
    }

    async fn send(&self, tx: &mut PlatformTx, asked: Asked) -> Result<(), Fault> {
        let now = self.parts.clock.now();
        let until = now + GOOD_FOR;
        let token = LinkToken::generate()?;
        store::give_link(tx, asked.id, &token.hash(), now, until).await?;
        let letter =
            Letter::registration(token.link(Page::Registration), &asked.tenant_slug, until);
        let address = Address::stored(asked.email);
        let to = Recipient { address: &address, locale: asked.locale.as_deref(), tenant: None };
        self.parts.post.write(tx, to, &letter, until).await
    }
}
