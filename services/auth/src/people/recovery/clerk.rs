use std::sync::Arc;

use yard_fault::Fault;
use yard_pg::{Actor, PlatformTx};
use yard_runtime::{Runtime, TaskKind};

use super::store::{self, Account};
use super::{LinkKind, MOST_RESETS, NewLink, RESET_FOR, insert_link, locale_of, lock_links};
use crate::mail::{Address, Letter, Page, Recipient};
use crate::people::PeopleParts;
use crate::people::links::LinkToken;
use crate::people::profile::PAUSE;
use crate::rounds::{Rounds, Task};

/// What wishes are sealed for.
pub(super) const PURPOSE: &str = "reset-wish";

/// Looks after those who asked for a new password. Any number of instances may.
#[derive(Clone)]
pub(in crate::people) struct Clerk {
    parts: Arc<PeopleParts>,
}

impl Clerk {
    /// Begins to look; wake it when somebody has asked.
    pub(in crate::people) fn start(parts: &Arc<PeopleParts>, runtime: &Runtime) -> Rounds {
        let this = Self { parts: Arc::clone(parts) };
        let task = Task {
            name: "resets",
            kind: TaskKind::Critical,
            trouble: "resets could not be looked after; trying again",
        };
        Rounds::start(task, runtime, move || {
            let this = this.clone();
            async move { this.one().await }
        })
    }

    /// Whether there was one.
    async fn one(&self) -> Result<bool, Fault> {
        let mut tx = PlatformTx::begin(&self.parts.pg, &Actor::service("auth")).await?;
        let Some((id, sealed, asked_at)) = store::take_wish(&mut tx).await? else {
            return Ok(false);
        };
        let now = self.parts.clock.now();
        match self.parts.sealer.open(PURPOSE, id.as_bytes(), &sealed).map(String::from_utf8) {
            Ok(Ok(email)) if asked_at + RESET_FOR > now => {
                if let Some(account) = store::account(&mut tx, &email).await? {
                    self.send(&mut tx, &account).await?;
                }
            }
            Ok(Ok(_too_late)) => {}
            Ok(Err(_)) | Err(_) => {
                tracing::error!(wish = %id, "who asked for a new password cannot be read");
            }
        }
        tx.commit().await?;
        self.parts.post.wake();
        Ok(true)
    }

    async fn send(&self, tx: &mut PlatformTx, account: &Account) -> Result<(), Fault> {
        let now = self.parts.clock.now();
        let (principal, kind) = (account.principal_id, LinkKind::PasswordReset);
        let links = lock_links(tx, principal, kind, now).await?;
        let too_soon = links.newest.is_some_and(|newest| newest + PAUSE > now);
        if links.alive >= MOST_RESETS || (links.alive > 0 && too_soon) {
            return Ok(());
        }
        let locale = locale_of(tx, principal).await?;
        let token = LinkToken::generate()?;
        let expires_at = now + RESET_FOR;
        let email = Address::stored(account.email.clone());
        let link = NewLink { kind, principal, email: &email, hash: token.hash(), at: now };
        insert_link(tx, &link, expires_at).await?;
        let link = token.link(Page::PasswordReset);
        let letter = Letter::password_reset(link, RESET_FOR.whole_minutes());
        let to = Recipient { address: &email, locale: locale.as_deref(), tenant: None };
        self.parts.post.write(tx, to, &letter, expires_at).await
    }
}
