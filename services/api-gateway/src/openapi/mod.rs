//! The OpenAPI 3.1 document, made from the descriptors that the routes are made from.

mod comments;
mod document;
mod operation;
mod responses;
mod schema;

use prost_reflect::DescriptorPool;
use serde_json::Value;
use yard_runtime::ConfigError;

use crate::Config;
use crate::transcode::Routes;

/// The document as JSON, with the limits of this configuration.
#[must_use]
pub fn document(pool: &DescriptorPool, routes: &Routes, config: &Config) -> Value {
    sorted(document::build(pool, routes, config))
}

/// The document as it is committed: with the default limits, indented, keys in order, one line feed
/// at the end.
///
/// # Errors
/// When the defaults in the program do not load, which a test would show first.
pub fn pretty(pool: &DescriptorPool, routes: &Routes) -> Result<String, ConfigError> {
    let defaults = Config::documented()?;
    Ok(format!("{:#}\n", document(pool, routes, &defaults)))
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
