use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, timeout};
use yard_authn::Revocations;
use yard_runtime::{Runtime, TaskKind};

use super::known::{Answer, Known, Wanted};
use super::reader::{Reader, Want};
use super::source::Source;
use super::{App, AppId};
use crate::protocol::Closing;
use crate::telemetry;

/// Whoever asks for an app that is not known here waits no longer for the database.
const PATIENCE: Duration = Duration::from_secs(3);
/// As many may wait.
const MOST_WAITING: usize = 1_024;

/// Finds apps. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Apps {
    own: Arc<App>,
    shared: Arc<Shared>,
    wants: mpsc::Sender<Want>,
}

/// What is known, by those who ask and by the one who reads.
#[derive(Default)]
pub(super) struct Shared {
    known: Mutex<Known>,
    /// Something is in doubt.
    pub(super) doubt: Notify,
}

/// Apps that nobody may be in any more, and why.
pub(crate) type Ends = mpsc::UnboundedReceiver<(AppId, Closing)>;

/// The apps cannot be looked up at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the apps cannot be looked up")]
pub(crate) struct Unavailable;

impl Apps {
    /// With the platform's own and those of a source, which are kept current until the soft stop.
    pub(super) fn start(
        own: App,
        source: Arc<dyn Source>,
        revocations: &Revocations,
        rt: &Runtime,
    ) -> (Self, Ends) {
        let (wants, asked) = mpsc::channel(MOST_WAITING);
        let (told, ends) = mpsc::unbounded_channel();
        let shared = Arc::<Shared>::default();
        let reader = Reader::new(source, Arc::clone(&shared), revocations.clone(), told);
        let soft = rt.shutdown().soft().clone();
        rt.tasks().spawn(TaskKind::Critical, "apps", reader.run(asked, soft));
        (Self { own: Arc::new(own), shared, wants }, ends)
    }

    /// The platform's own.
    pub(crate) const fn own(&self) -> &Arc<App> {
        &self.own
    }

    /// The app of a public key.
    ///
    /// # Errors
    /// While the database is away and the app is not known here yet.
    pub(crate) async fn by_key(&self, key: &str) -> Result<Option<Arc<App>>, Unavailable> {
        if key == self.own.key() {
            return Ok(Some(Arc::clone(&self.own)));
        }
        if !is_key(key) {
            return Ok(None);
        }
        self.find(Wanted::Key(key.into())).await
    }

    /// The app of a number.
    ///
    /// # Errors
    /// As [`Apps::by_key`].
    pub(crate) async fn by_id(&self, id: AppId) -> Result<Option<Arc<App>>, Unavailable> {
        if id == self.own.id() {
            return Ok(Some(Arc::clone(&self.own)));
        }
        if id.stored().is_none() {
            return Ok(None);
        }
        self.find(Wanted::Id(id)).await
    }

    /// The app of a number, if this instance knows it already.
    pub(crate) fn peek(&self, id: AppId) -> Option<Arc<App>> {
        match self.shared.known().look(&Wanted::Id(id), Instant::now()) {
            Answer::There(app) => Some(app),
            Answer::NotThere | Answer::Unknown => None,
        }
    }

    /// The app was changed or deleted: it is read again.
    pub(crate) fn doubt(&self, id: AppId) {
        self.shared.known().doubt(id);
        self.shared.doubt.notify_one();
    }

    async fn find(&self, wanted: Wanted) -> Result<Option<Arc<App>>, Unavailable> {
        let answer = self.shared.known().look(&wanted, Instant::now());
        match answer {
            Answer::There(app) => return Ok(Some(app)),
            Answer::NotThere => return Ok(None),
            Answer::Unknown => {}
        }
        let (answer, answered) = oneshot::channel();
        if self.wants.try_send(Want { wanted, answer }).is_err() {
            telemetry::app_lookup("overloaded");
            return Err(Unavailable);
        }
        match timeout(PATIENCE, answered).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) | Err(_) => Err(Unavailable),
        }
    }
}

impl Shared {
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a text has the form of a tenant's app's key. What has not is asked of nobody.
fn is_key(text: &str) -> bool {
    text.len() == 20 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
