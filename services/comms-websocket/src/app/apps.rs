use std::sync::Arc;

use super::{App, AppId};

/// Finds apps. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Apps {
    own: Arc<App>,
}

/// The apps cannot be looked up at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the apps cannot be looked up")]
pub(crate) struct Unavailable;

impl Apps {
    pub(crate) fn new(own: App) -> Self {
        Self { own: Arc::new(own) }
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
        Ok((key == self.own.key()).then(|| Arc::clone(&self.own)))
    }

    /// The app of a number.
    ///
    /// # Errors
    /// As [`Apps::by_key`].
    pub(crate) async fn by_id(&self, id: AppId) -> Result<Option<Arc<App>>, Unavailable> {
        Ok((id == self.own.id()).then(|| Arc::clone(&self.own)))
    }
}
