//! The OpenAPI 3.1 document, made from the descriptors that the routes are made from.

mod comments;
mod document;
mod operation;
mod responses;
mod schema;

use bytes::Bytes;
use serde_json::Value;
use yard_runtime::ConfigError;

use crate::Config;
use crate::transcode::Routes;

/// The document as JSON, with the limits of this configuration.
#[must_use]
pub fn document(routes: &Routes, config: &Config) -> Value {
    sorted(document::build(routes, config))
}

/// The document as it is served. It is made in a thread of its own: what it takes meanwhile lies in
/// that thread's part of the heap and goes back with it, where it would stay behind as holes among
/// what lives on.
pub(crate) fn served(routes: &Routes, config: &Config) -> anyhow::Result<Bytes> {
    let made = std::thread::scope(|scope| {
        let making = scope.spawn(|| Bytes::from(document(routes, config).to_string()));
        making.join()
    });
    made.map_err(|_panic| anyhow::anyhow!("the OpenAPI document could not be made"))
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
