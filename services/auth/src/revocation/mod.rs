//! The revocation list: signed again within seconds of a revocation on any instance, and hourly;
//! and what follows: the end of the connections that a revoked certificate still has.

mod enforcer;
mod file;
mod store;

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use yard_fault::Fault;
use yard_ids::Clock;
use yard_messaging::Nats;
use yard_pg::{Actor, Pg, PlatformTx};
use yard_runtime::{Check, ReadyHandle, Runtime, TaskKind};

use crate::ca::{DeviceCa, LIST_LIFE, SignedList};
use crate::config::DeviceCaConfig;
use crate::telemetry;
use enforcer::Enforcer;
use file::ListFile;
use store::Extent;

/// How often the database is asked whether another instance revoked something; also the pause
/// after a failure.
const LOOK: Duration = Duration::from_secs(2);
/// How old a list gets before it is signed again without a change.
const RENEWAL: time::Duration = time::Duration::hours(1);

/// How often certificates are revoked that were renewed. Each makes a list and ends a connection, so
/// those of a large fleet go together; nobody waits for it.
const SWEEP: time::Duration = time::Duration::minutes(10);

/// The list in force on this instance; cheap to clone.
#[derive(Clone)]
pub(crate) struct RevocationList {
    current: watch::Receiver<Option<SignedList>>,
    wake: Arc<Notify>,
}

impl RevocationList {
    /// Begins to keep the list; the service is not ready before the first one is signed.
    pub(crate) fn start(
        pg: &Pg,
        nats: &Nats,
        ca: &Arc<DeviceCa>,
        config: &DeviceCaConfig,
        runtime: &Runtime,
    ) -> Self {
        let (publish, current) = watch::channel(None);
        let wake = Arc::new(Notify::new());
        let keeper = Keeper {
            pg: pg.clone(),
            ca: Arc::clone(ca),
            clock: runtime.clock(),
            publish,
            wake: Arc::clone(&wake),
            file: ListFile::new(&config.crl_file, runtime.instance()),
            file_behind: false,
            signed: None,
            swept: None,
            starting: Some(runtime.health().await_start("revocation-list")),
        };
        runtime.health().register(freshness(&current, runtime.clock()));
        let soft = runtime.shutdown().soft().clone();
        runtime.tasks().spawn(TaskKind::Background, "revocation-list", async move {
            soft.run_until_cancelled(keeper.keep()).await;
            Ok(())
        });
        let enforcer = Enforcer {
            pg: pg.clone(),
            nats: nats.clone(),
            clock: runtime.clock(),
            lists: current.clone(),
        };
        let soft = runtime.shutdown().soft().clone();
        runtime.tasks().spawn(TaskKind::Background, "revocation-enforcer", async move {
            soft.run_until_cancelled(enforcer.run()).await;
            Ok(())
        });
        Self { current, wake }
    }

    /// Asks for a new list now. Any number of calls during one signing make one list more.
    pub(crate) fn renew_soon(&self) {
        self.wake.notify_one();
    }

    /// Number and PEM; `None` before the first list.
    pub(crate) fn current(&self) -> Option<(i64, String)> {
        self.current.borrow().as_ref().map(|list| (list.number, list.pem.clone()))
    }
}

/// The one task that signs.
struct Keeper {
    pg: Pg,
    ca: Arc<DeviceCa>,
    clock: Arc<dyn Clock>,
    publish: watch::Sender<Option<SignedList>>,
    wake: Arc<Notify>,
    file: Option<ListFile>,
    file_behind: bool,
    signed: Option<Signed>,
    swept: Option<OffsetDateTime>,
    starting: Option<ReadyHandle>,
}

/// What the current list was made of, and when.
#[derive(Debug, Clone, Copy)]
struct Signed {
    extent: Extent,
    at: OffsetDateTime,
}

impl Keeper {
    async fn keep(mut self) {
        loop {
            if let Err(fault) = self.round().await {
                telemetry::revocation_list_failure();
                let (code, problem) = (fault.code().as_str(), fault.inside());
                tracing::warn!(code, problem, "could not renew the revocation list; trying again");
            }
            let woken = self.wake.notified();
            // Elapsed or woken: both mean to look again.
            drop(tokio::time::timeout(LOOK, woken).await);
        }
    }

    async fn round(&mut self) -> Result<(), Fault> {
        let now = self.clock.now();
        let mut tx = PlatformTx::begin(&self.pg, &Actor::service("auth")).await?;
        let disabled = store::revoke_of_disabled(&mut tx, now).await?;
        if disabled > 0 {
            tracing::info!(certificates = disabled, "revoked what disabled devices held");
        }
        let sweep = self.swept.is_none_or(|at| now - at >= SWEEP || now < at);
        if sweep {
            let superseded = store::revoke_superseded(&mut tx, now).await?;
            if superseded > 0 {
                tracing::info!(certificates = superseded, "revoked what was renewed a week ago");
            }
        }
        let extent = store::extent(&mut tx, now).await?;
        if is_due(self.signed, extent, now) {
            let number = store::next_number(&mut tx).await?;
            // Read again under the number's lock: the list of a higher number never holds less.
            let extent = store::extent(&mut tx, now).await?;
            let revoked = store::revoked(&mut tx, now).await?;
            let list = self.ca.sign_list(number, &revoked, now)?;
            store::mark_listed(&mut tx, number, now).await?;
            tx.commit().await?;
            self.signed = Some(Signed { extent, at: now });
            // The file first: who is woken by the list may count on it.
            self.write_file(&list.pem).await;
            self.put_in_force(list, revoked.len());
        } else {
            tx.commit().await?;
        }
        if sweep {
            self.swept = Some(now);
        }
        self.tell_age(now);
        self.repeat_file().await
    }

    /// Seconds until the list in force is too old for a broker to let anybody in.
    fn tell_age(&self, now: OffsetDateTime) {
        if let Some(list) = self.publish.borrow().as_ref() {
            telemetry::revocation_list_age(list.next_update - now);
        }
    }

    fn put_in_force(&mut self, list: SignedList, entries: usize) {
        telemetry::revocation_list(list.number, list.next_update);
        tracing::info!(crl.number = list.number, entries, "revocation list signed");
        self.publish.send_replace(Some(list));
        self.starting = None;
    }

    /// A failure is repeated, and told, by [`Keeper::repeat_file`].
    async fn write_file(&mut self, pem: &str) {
        if let Some(file) = &self.file {
            self.file_behind = file.replace(pem).await.is_err();
        }
    }

    async fn repeat_file(&mut self) -> Result<(), Fault> {
        let pem = self.publish.borrow().as_ref().map(|list| list.pem.clone());
        if let (true, Some(file), Some(pem)) = (self.file_behind, &self.file, pem) {
            let failed = |e| Fault::internal("write device_ca.crl_file").with_source(e);
            file.replace(&pem).await.map_err(failed)?;
            self.file_behind = false;
        }
        Ok(())
    }
}

/// Warns operators when half of the list's life is over: it is signed again twelve times as often.
fn freshness(current: &watch::Receiver<Option<SignedList>>, clock: Arc<dyn Clock>) -> Check {
    let current = current.clone();
    let probe = move || {
        std::future::ready(if is_stale(&current, clock.as_ref()) {
            Err("half of the list's life is over; see the runbook revocation-list".to_owned())
        } else {
            Ok(())
        })
    };
    Check::new("revocation-list-age", probe).advisory()
}

fn is_stale(current: &watch::Receiver<Option<SignedList>>, clock: &dyn Clock) -> bool {
    let list = current.borrow();
    list.as_ref().is_some_and(|list| list.next_update - clock.now() < LIST_LIFE / 2)
}

/// Whether the list has to be signed again. A clock that was set back makes it due as well.
fn is_due(signed: Option<Signed>, extent: Extent, now: OffsetDateTime) -> bool {
    signed.is_none_or(|signed| {
        let age = now - signed.at;
        signed.extent != extent || age >= RENEWAL || age.is_negative()
    })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use yard_testkit::TestFolder;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

    #[test]
    fn list_is_due_at_first_on_change_and_hourly() {
        let extent = Extent { count: 1, latest: Some(NOW) };
        let signed = Some(Signed { extent, at: NOW });
        assert!(is_due(None, extent, NOW));
        assert!(!is_due(signed, extent, NOW + time::Duration::minutes(59)));
        assert!(is_due(signed, extent, NOW + RENEWAL));
        assert!(is_due(signed, extent, NOW - time::Duration::seconds(1)));
        assert!(is_due(signed, Extent { count: 2, ..extent }, NOW));
        assert!(is_due(signed, Extent { latest: None, ..extent }, NOW));
    }

    #[test]
    fn health_warns_when_half_of_the_lists_life_is_over() {
        let clock = Arc::new(yard_ids::ManualClock::new(NOW));
        let list = SignedList { number: 1, pem: String::new(), next_update: NOW + LIST_LIFE };
        let (_publish, current) = watch::channel(Some(list));
        let check = freshness(&current, clock.clone());
        assert!(format!("{check:?}").contains("revocation-list-age"));
        let left = |hours| {
            clock.advance(time::Duration::hours(hours));
            is_stale(&current, clock.as_ref())
        };
        assert!(!left(12));
        assert!(left(1));
    }

    #[tokio::test]
    async fn file_is_replaced_as_a_whole_and_leaves_no_draft() {
        let folder = TestFolder::new("crl");
        let file = ListFile::new(&folder.join("crl.pem"), "i1").unwrap();
        file.replace("one").await.unwrap();
        file.replace("two").await.unwrap();
        let names: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["crl.pem"]);
        assert_eq!(std::fs::read_to_string(folder.join("crl.pem")).unwrap(), "two");
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(file.replace("three").await.is_err());
        assert!(ListFile::new(std::path::Path::new(""), "i1").is_none());
    }
}
