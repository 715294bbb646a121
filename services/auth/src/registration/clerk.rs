use std::sync::Arc;

use yard_fault::Fault;
use yard_pg::{Actor, PlatformTx};
use yard_runtime::{Runtime, TaskKind};

use super::store::{self, Asked};
use super::{GOOD_FOR, MOST_LINKS, PAUSE, RegistrationParts};
use crate::mail::{Address, Letter, Page, Recipient};
use crate::people::LinkToken;
use crate::rounds::{Rounds, Task};
use crate::telemetry;

/// Writes the mails to those who asked for a tenant. Any number of instances may.
#[derive(Clone)]
pub(super) struct Clerk {
    parts: Arc<RegistrationParts>,
}

impl Clerk {
    /// Begins to look; wake it when somebody has asked.
    pub(super) fn start(parts: &Arc<RegistrationParts>, runtime: &Runtime) -> Rounds {
        let this = Self { parts: Arc::clone(parts) };
        let task = Task {
            name: "registrations",
            kind: TaskKind::Critical,
            trouble: "registrations could not be answered yet",
        };
        Rounds::start(task, runtime, move || {
            let this = this.clone();
            async move { this.one().await }
        })
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
