use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use time::Duration as Span;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use yard_authn::seal::Sealer;
use yard_fault::Fault;
use yard_ids::Clock;
use yard_pg::{Actor, Pg, PlatformTx};

use super::compose::Composer;
use super::store::{self, Claimed};
use super::transport::{Delivery, Transport};
use super::{Content, PURPOSE};
use crate::telemetry;

/// How often it looks when nobody woke it: for what is due again, and what another instance left.
const LOOK: Duration = Duration::from_secs(5);
/// Mails on their way at the same time.
const AT_ONCE: i64 = 4;
/// A server that has not taken a mail by then will be asked again.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than a mail can be on its way: then its sender has died.
const CLAIM: Span = Span::minutes(3);
const FIRST_PAUSE: Span = Span::minutes(1);
const LONGEST_PAUSE: Span = Span::hours(1);

/// Sends what is written. Any number of instances may.
pub(super) struct Sender {
    pub(super) pg: Pg,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sealer: Sealer,
    pub(super) composer: Composer,
    pub(super) transport: Transport,
    pub(super) wake: Arc<Notify>,
    pub(super) soft: CancellationToken,
}

impl Sender {
    /// Until the soft stop; what is on its way then is finished.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        while !self.soft.is_cancelled() {
            match self.round().await {
                // There may be more.
                Ok(true) => continue,
                Ok(false) => {}
                Err(fault) => {
                    let (code, problem) = (fault.code().as_str(), fault.inside());
                    tracing::warn!(code, problem, "mails could not be looked after; trying again");
                }
            }
            let woken = tokio::time::timeout(LOOK, self.wake.notified());
            // Elapsed or woken: both mean to look again.
            if self.soft.run_until_cancelled(woken).await.is_none() {
                break;
            }
        }
        Ok(())
    }

    async fn begin(&self) -> Result<PlatformTx, Fault> {
        Ok(PlatformTx::begin(&self.pg, &Actor::service("auth")).await?)
    }

    /// Whether there was something to send.
    async fn round(&self) -> Result<bool, Fault> {
        let now = self.clock.now();
        let mut tx = self.begin().await?;
        let expired = store::expire(&mut tx, now).await?;
        let due = store::claim(&mut tx, now, now + CLAIM, AT_ONCE).await?;
        let waiting = store::waiting(&mut tx).await?;
        tx.commit().await?;
        telemetry::mails_waiting(waiting);
        if expired > 0 {
            telemetry::mails_ended("expired", expired);
            tracing::warn!(expired, "mails could not be sent in time and are given up");
        }
        let found = !due.is_empty();
        for done in join_all(due.into_iter().map(|mail| self.deliver(mail))).await {
            done?;
        }
        Ok(found)
    }

    async fn deliver(&self, mail: Claimed) -> Result<(), Fault> {
        let delivery = match self.message(&mail) {
            Ok(message) => self.transport.send(message, PATIENCE).await,
            Err(fault) => {
                let problem = fault.inside();
                tracing::error!(mail = %mail.id, problem, "a mail cannot be composed");
                Delivery::Refused("not composed".to_owned())
            }
        };
        let (id, kind, attempts) = (mail.id, mail.kind.as_str(), mail.attempts);
        let now = self.clock.now();
        let mut tx = self.begin().await?;
        match delivery {
            Delivery::Taken => {
                store::end(&mut tx, id, ("sent", ""), now).await?;
                telemetry::mails_ended("sent", 1);
                tracing::debug!(mail = %id, kind, attempts, "mail is sent");
            }
            Delivery::Refused(answer) => {
                store::end(&mut tx, id, ("refused", &answer), now).await?;
                telemetry::mails_ended("refused", 1);
                tracing::info!(mail = %id, kind, answer, "the mail server refuses a mail for good");
            }
            Delivery::Later(answer) => {
                store::put_off(&mut tx, id, &answer, now + pause(attempts)).await?;
                telemetry::mail_put_off();
                tracing::warn!(mail = %id, kind, attempts, answer, "a mail could not be sent yet");
            }
        }
        Ok(tx.commit().await?)
    }

    fn message(&self, mail: &Claimed) -> Result<lettre::Message, Fault> {
        let plain = self.sealer.open(PURPOSE, mail.id.as_bytes(), &mail.sealed)?;
        let content: Content = serde_json::from_slice(&plain)
            .map_err(|_e| Fault::internal("a sealed mail cannot be read"))?;
        self.composer.compose(mail.id, content, mail.created_at)
    }
}

/// Twice as long each time.
fn pause(attempts: i32) -> Span {
    let doublings = u32::try_from(attempts.clamp(1, 10) - 1).unwrap_or(0);
    (FIRST_PAUSE * 2_i32.pow(doublings)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_doubles_up_to_an_hour() {
        let minutes = |attempts| pause(attempts).whole_minutes();
        assert_eq!([1, 2, 3, 6, 7, 99, i32::MAX].map(minutes), [1, 2, 4, 32, 60, 60, 60]);
        assert_eq!([0, i32::MIN].map(minutes), [1, 1]);
    }
}
