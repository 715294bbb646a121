//! Reads tenants' apps: one query at a time, whoever asks for how many, so that nobody can load the
//! database by asking.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use yard_authn::revocations::Standing;
use yard_authn::{Grant, Revocations};
use yard_ids::TenantId;

use super::apps::{Shared, Unavailable};
use super::known::{Answer, Wanted};
use super::source::{Found, Source};
use super::{App, AppId};
use crate::protocol::Closing;
use crate::telemetry;

/// How often it is looked which apps have to be read again.
const LOOK: Duration = Duration::from_secs(1);
/// Questions that one query answers.
const BATCH: usize = 256;
/// After a failure the database is left alone for so long.
const PAUSE: Duration = Duration::from_secs(1);

/// Somebody's question, and where the answer goes.
pub(super) struct Want {
    pub(super) wanted: Wanted,
    pub(super) answer: oneshot::Sender<Result<Option<Arc<App>>, Unavailable>>,
}

pub(super) struct Reader {
    source: Arc<dyn Source>,
    shared: Arc<Shared>,
    revocations: Revocations,
    ends: mpsc::UnboundedSender<(AppId, Closing)>,
    /// Since when the source does not answer.
    failed: Option<Instant>,
}

impl Reader {
    pub(super) fn new(
        source: Arc<dyn Source>,
        shared: Arc<Shared>,
        revocations: Revocations,
        ends: mpsc::UnboundedSender<(AppId, Closing)>,
    ) -> Self {
        Self { source, shared, revocations, ends, failed: None }
    }

    pub(super) async fn run(
        mut self,
        mut wants: mpsc::Receiver<Want>,
        soft: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut changes = self.revocations.changes();
        let mut batch = Vec::new();
        loop {
            let shared = Arc::clone(&self.shared);
            let asked = tokio::select! {
                () = soft.cancelled() => return Ok(()),
                count = wants.recv_many(&mut batch, BATCH) => match count {
                    0 => return Ok(()),
                    _ => true,
                },
                () = shared.doubt.notified() => false,
                Ok(()) = changes.changed() => false,
                _ = looks.tick() => {
                    shared.known().sweep(Instant::now());
                    false
                }
            };
            let work = async {
                if asked {
                    self.answer(&mut batch).await;
                } else {
                    self.read_again().await;
                }
            };
            if soft.run_until_cancelled(work).await.is_none() {
                return Ok(());
            }
        }
    }

    /// Answers everybody who asked, with one query.
    async fn answer(&mut self, batch: &mut Vec<Want>) {
        let now = Instant::now();
        let mut open = Vec::new();
        let (mut keys, mut ids) = (HashSet::new(), HashSet::new());
        for want in batch.drain(..) {
            // It may have come to be known while the question waited.
            let known = match self.shared.known().look(&want.wanted, now) {
                Answer::There(app) => Some(app),
                Answer::NotThere => None,
                Answer::Unknown => {
                    match &want.wanted {
                        Wanted::Key(key) => drop(keys.insert(key.to_string())),
                        Wanted::Id(id) => drop(ids.insert(*id)),
                    }
                    open.push(want);
                    continue;
                }
            };
            // Who asked may have gone.
            drop(want.answer.send(Ok(known)));
        }
        if open.is_empty() {
            return;
        }
        let found = self.find(keys.into_iter().collect(), ids.into_iter().collect()).await;
        if let Some(found) = found {
            let mut known = self.shared.known();
            for found in found {
                known.learn(found, now);
            }
            for want in &open {
                if let Answer::Unknown = known.look(&want.wanted, now) {
                    known.miss(want.wanted.clone(), now);
                }
            }
        }
        for Want { wanted, answer } in open {
            let outcome = match self.shared.known().look(&wanted, now) {
                Answer::There(app) => Ok(Some(app)),
                Answer::NotThere => Ok(None),
                Answer::Unknown => Err(Unavailable),
            };
            telemetry::app_lookup(match &outcome {
                Ok(Some(_)) => "found",
                Ok(None) => "missing",
                Err(Unavailable) => "failed",
            });
            drop(answer.send(outcome));
        }
    }

    /// Reads what is in doubt or old, and tells of apps that nobody may be in any more.
    async fn read_again(&mut self) {
        let now = Instant::now();
        if self.is_resting(now) {
            return;
        }
        let due = {
            let changed = |tenant, since| self.has_changed(tenant, since);
            self.shared.known().due(now, changed)
        };
        if due.is_empty() {
            return;
        }
        let Some(found) = self.find(Vec::new(), due.clone()).await else {
            // They stay as they are known, and in doubt.
            let mut known = self.shared.known();
            due.into_iter().for_each(|id| known.doubt(id));
            return;
        };
        let mut known = self.shared.known();
        let mut gone: HashSet<AppId> = due.into_iter().collect();
        for found in found {
            let id = found.id;
            gone.remove(&id);
            known.learn(found, now);
            if let Some(why) = known.refusal(id) {
                self.tell(id, why);
            }
        }
        for id in gone {
            if known.lose(id, now) {
                self.tell(id, Closing::UnknownApp);
            }
        }
    }

    fn tell(&self, id: AppId, why: Closing) {
        if self.ends.send((id, why)).is_err() {
            tracing::debug!("the sockets are closed already");
        }
    }

    /// Whether a tenant was suspended, opened or closed since.
    fn has_changed(&self, tenant: TenantId, since_ms: i64) -> bool {
        let anybody = Grant {
            person: None,
            tenant: Some(tenant),
            session: None,
            api_token: None,
            kid: Box::default(),
            issued_ms: since_ms,
            ends: None,
        };
        self.revocations.standing(&anybody) != Standing::Stands
    }

    fn is_resting(&self, now: Instant) -> bool {
        self.failed.is_some_and(|failed| now.duration_since(failed) < PAUSE)
    }

    /// `None` while the source does not answer.
    async fn find(&mut self, keys: Vec<String>, ids: Vec<AppId>) -> Option<Vec<Found>> {
        if self.is_resting(Instant::now()) {
            return None;
        }
        match self.source.find(keys, ids).await {
            Ok(found) => {
                if self.failed.take().is_some() {
                    tracing::info!("apps can be looked up again");
                }
                Some(found)
            }
            Err(fault) => {
                if self.failed.replace(Instant::now()).is_none() {
                    let problem = fault.inside();
                    tracing::warn!(problem, "apps cannot be looked up");
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::sync::Semaphore;
    use tonic::async_trait;
    use yard_authn::revocations::Revocation;
    use yard_fault::{Code, Fault};
    use yard_ids::{IdSource as _, RandomIds};
    use yard_runtime::Runtime;

    use super::*;
    use crate::app::apps::{Apps, Ends};
    use crate::app::{AppSettings, Secrets};

    const KEY: &str = "0123456789abcdef0123";
    const ID: AppId = AppId::new(1_234_567_890);

    /// A source with one app, which counts what it is asked.
    #[derive(Default)]
    struct One {
        settings: Mutex<Option<AppSettings>>,
        tenant: Mutex<Option<TenantId>>,
        queries: AtomicUsize,
        keys: AtomicUsize,
        down: AtomicBool,
        /// While it has no permits, answers wait.
        gate: Option<Semaphore>,
    }

    #[async_trait]
    impl Source for One {
        async fn find(&self, keys: Vec<String>, ids: Vec<AppId>) -> Result<Vec<Found>, Fault> {
            self.queries.fetch_add(1, Ordering::Relaxed);
            self.keys.fetch_add(keys.len(), Ordering::Relaxed);
            if let Some(gate) = &self.gate {
                gate.acquire().await.unwrap().forget();
            }
            if self.down.load(Ordering::Relaxed) {
                return Err(Code::ServiceUnavailable.into());
            }
            let asked = keys.iter().any(|key| key == KEY) || ids.contains(&ID);
            let settings = self.settings.lock().unwrap().clone().filter(|_| asked);
            let tenant = *self.tenant.lock().unwrap();
            let found = settings.map(|settings| Found {
                id: ID,
                key: KEY.into(),
                tenant: tenant.unwrap_or_else(|| TenantId::from_uuid(RandomIds.uuid7())),
                secrets: Secrets::new([]),
                settings,
                read_ms: 10_000,
            });
            Ok(found.into_iter().collect())
        }
    }

    fn start(source: &Arc<One>, revocations: &Revocations) -> (Apps, Ends, Runtime) {
        let rt = Runtime::builder("comms-websocket", "0").build();
        let own = App::new(AppId::new(1), "own", None, Secrets::new([]), AppSettings::default());
        let source: Arc<dyn Source> = Arc::<One>::clone(source);
        let (apps, ends) = Apps::start(own, source, revocations, &rt);
        (apps, ends, rt)
    }

    fn with_app() -> Arc<One> {
        Arc::new(One { settings: Mutex::new(Some(AppSettings::default())), ..One::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn key_that_many_ask_for_is_looked_up_once() {
        let source = Arc::new(One {
            settings: Mutex::new(Some(AppSettings::default())),
            gate: Some(Semaphore::new(0)),
            ..One::default()
        });
        let (apps, _ends, _rt) = start(&source, &Revocations::new());
        let askers = join_all((0..100).map(|_| apps.by_key(KEY)));
        let opened = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            source.gate.as_ref().unwrap().add_permits(9);
        };
        let (answers, ()) = tokio::join!(askers, opened);
        let first = answers[0].clone().unwrap().unwrap();
        for answer in answers {
            assert!(Arc::ptr_eq(&answer.unwrap().unwrap(), &first), "one app for all");
        }
        assert!(Arc::ptr_eq(&apps.by_id(ID).await.unwrap().unwrap(), &first));
        assert_eq!(source.keys.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn guessed_keys_are_looked_up_together_and_once_each() {
        let source = Arc::<One>::default();
        let (apps, _ends, _rt) = start(&source, &Revocations::new());
        let guesses: Vec<String> = (0..500).map(|n| format!("{n:020x}")).collect();
        for _ in 0..3 {
            let all = join_all(guesses.iter().map(|key| apps.by_key(key))).await;
            assert!(all.into_iter().all(|answer| matches!(answer, Ok(None))));
        }
        assert_eq!(source.keys.load(Ordering::Relaxed), guesses.len());
        assert!(source.queries.load(Ordering::Relaxed) <= 4, "many in one query");
    }

    #[tokio::test(start_paused = true)]
    async fn key_of_another_form_is_asked_of_nobody() {
        let source = with_app();
        let (apps, _ends, _rt) = start(&source, &Revocations::new());
        let (short, long) = (KEY.get(1..).unwrap(), format!("{KEY}0"));
        for key in ["", short, &long, "0123456789ABCDEF0123", "0123456789abcdef012g"] {
            assert!(apps.by_key(key).await.unwrap().is_none(), "{key}");
        }
        for number in [0, 2, 999_999_999, 10_000_000_000, u64::MAX] {
            assert!(apps.by_id(AppId::new(number)).await.unwrap().is_none(), "{number}");
        }
        assert!(apps.by_key("own").await.unwrap().is_some());
        assert_eq!(source.queries.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_who_wait_are_sent_away_and_the_others_answered() {
        let source = Arc::new(One { gate: Some(Semaphore::new(0)), ..One::default() });
        let (apps, _ends, _rt) = start(&source, &Revocations::new());
        let guesses: Vec<String> = (0..3_000).map(|n| format!("{n:020x}")).collect();
        let askers = join_all(guesses.iter().map(|key| apps.by_key(key)));
        let opened = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            source.gate.as_ref().unwrap().add_permits(99);
        };
        let (answers, ()) = tokio::join!(askers, opened);
        let sent_away = answers.iter().filter(|answer| answer.is_err()).count();
        assert!((1..3_000 - BATCH).contains(&sent_away), "{sent_away}");
    }

    #[tokio::test(start_paused = true)]
    async fn known_app_goes_on_while_the_source_is_down_and_an_unknown_one_is_unavailable() {
        let source = with_app();
        let (apps, mut ends, _rt) = start(&source, &Revocations::new());
        let app = apps.by_key(KEY).await.unwrap().unwrap();
        source.down.store(true, Ordering::Relaxed);
        apps.doubt(ID);
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert!(Arc::ptr_eq(&apps.by_key(KEY).await.unwrap().unwrap(), &app));
        assert_eq!(app.refusal(), None);
        assert_eq!(apps.by_key("00000000000000000000").await.err(), Some(Unavailable));
        assert!(ends.try_recv().is_err());
        // Back again: what was in doubt is read.
        *source.settings.lock().unwrap() = None;
        source.down.store(false, Ordering::Relaxed);
        assert_eq!(ends.recv().await, Some((ID, Closing::UnknownApp)));
        assert_eq!(app.refusal(), Some(Closing::UnknownApp));
        assert!(apps.by_key("00000000000000000000").await.unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn change_that_nobody_told_of_is_seen_within_thirty_seconds() {
        let source = with_app();
        let (apps, mut ends, _rt) = start(&source, &Revocations::new());
        let app = apps.by_key(KEY).await.unwrap().unwrap();
        let since = Instant::now();
        *source.settings.lock().unwrap() =
            Some(AppSettings { enabled: false, ..AppSettings::default() });
        assert_eq!(ends.recv().await, Some((ID, Closing::AppDisabled)));
        assert!(since.elapsed() <= Duration::from_secs(30), "{:?}", since.elapsed());
        assert_eq!(app.refusal(), Some(Closing::AppDisabled));
    }

    #[tokio::test(start_paused = true)]
    async fn suspended_tenants_apps_are_read_again_at_once() {
        let (source, feed) = (with_app(), Revocations::new());
        let tenant = TenantId::from_uuid(RandomIds.uuid7());
        *source.tenant.lock().unwrap() = Some(tenant);
        let (apps, mut ends, _rt) = start(&source, &feed);
        drop(apps.by_key(KEY).await.unwrap().unwrap());
        let since = Instant::now();
        *source.settings.lock().unwrap() =
            Some(AppSettings { enabled: false, ..AppSettings::default() });
        feed.apply(Revocation::Tenant(tenant), 10_000);
        assert_eq!(ends.recv().await, Some((ID, Closing::AppDisabled)));
        assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    }
}
