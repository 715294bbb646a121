//! The OpenAPI 3.1 document, made from the descriptors that the routes are made from.

mod comments;
mod document;
mod operation;
mod responses;
mod schema;

use prost_reflect::DescriptorPool;
use serde_json::Value;

use crate::transcode::Routes;

/// The document as JSON.
#[must_use]
pub fn document(pool: &DescriptorPool, routes: &Routes) -> Value {
    sorted(document::build(pool, routes))
}

/// The document as it is committed: indented, keys in order, one line feed at the end.
#[must_use]
pub fn pretty(pool: &DescriptorPool, routes: &Routes) -> String {
    format!("{:#}\n", document(pool, routes))
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
