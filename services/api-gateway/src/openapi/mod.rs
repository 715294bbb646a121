//! The OpenAPI 3.1 document, made from the descriptors that the routes are made from.

mod comments;
mod document;
mod operation;
mod responses;
mod schema;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use yard_fault::Fault;
use yard_runtime::ConfigError;

use crate::Config;
use crate::transcode::Routes;

/// The document as JSON, with the limits of this configuration.
#[must_use]
pub fn document(routes: &Routes, config: &Config) -> Value {
    sorted(document::build(routes, config))
}

/// The document as it is served: made when it is first asked for, and kept. Making it takes several
/// megabytes, which a gateway that nobody asks for it does without.
pub(crate) struct Served {
    routes: Arc<Routes>,
    config: Config,
    made: OnceCell<Bytes>,
}

impl Served {
    pub(crate) fn new(routes: Arc<Routes>, config: Config) -> Self {
        Self { routes, config, made: OnceCell::new() }
    }

    /// The document; a tenth of a second's work when it is the first time.
    ///
    /// # Errors
    /// When making it failed, which a test would show first.
    pub(crate) async fn get(&self) -> Result<Bytes, Fault> {
        let make = || async {
            let (routes, config) = (Arc::clone(&self.routes), self.config.clone());
            let made = spawn_blocking(move || Bytes::from(document(&routes, &config).to_string()));
            made.await.map_err(|e| Fault::internal("the OpenAPI document").with_source(e))
        };
        self.made.get_or_try_init(make).await.cloned()
    }
}

/// The document as it is committed: with the default limits, indented, keys in order, one line feed
/// at the end.
///
/// # Errors
/// When the defaults in the program do not load, which a test would show first.
pub fn pretty(routes: &Routes) -> Result<String, ConfigError> {
    let defaults = Config::documented()?;
    Ok(format!("{:#}\n", document(routes, &defaults)))
}

/// Another crate's choice of map for `serde_json` must not change the committed file.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}
