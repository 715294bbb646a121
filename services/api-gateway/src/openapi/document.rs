//! Puts operations and components together.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::comments::Comments;
use super::operation::operation;
use super::responses;
use super::schema::Schemas;
use crate::Config;
use crate::limits::CapsConfig;
use crate::transcode::{Route, Routes};

pub(super) fn build(routes: &Routes, config: &Config) -> Value {
    let comments = Comments::of_the_contract();
    let ordered = ordered(routes);
    let answers = ordered.iter().map(|route| route.rpc.descriptor.output());
    let mut schemas = Schemas::new(&comments, answers);
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut spelled: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut ids: BTreeMap<String, usize> = BTreeMap::new();
    for route in &ordered {
        // Paths of one shape are one path in OpenAPI, so the first spelling counts for all.
        let names = spelled.entry(route.template.shape()).or_insert_with(|| parameter_names(route));
        let braced: Vec<_> = names.iter().map(|name| format!("{{{name}}}")).collect();
        let path = route.template.fill(braced.iter().map(String::as_str));
        let id = operation_id(route, &mut ids);
        let made = operation(route, &id, names, &comments, &mut schemas, config);
        let verb = route.method.as_str().to_lowercase();
        paths.entry(path).or_default().insert(verb, made);
    }
    let mut components = schemas.into_components();
    components.insert("Problem".to_owned(), responses::problem_schema());
    json!({
        "openapi": "3.1.0",
        "info": info(&config.caps),
        "servers": [{ "url": "/" }],
        "tags": tags(&ordered, &comments),
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": responses::components(),
            "headers": responses::headers(),
            "securitySchemes": security_schemes(),
        },
    })
}

fn info(caps: &CapsConfig) -> Value {
    let text = format!(
        "Unknown fields and parameters are refused. Integers are JSON numbers, timestamps RFC 3339, \
         bytes base64, enums their names. Scalars and arrays are always present in an answer; a \
         message that is not set is left out. A JSON body nests at most {} levels and has at most {} \
         members and elements; compressed bodies are refused. Path and query have at most {} bytes, \
         headers at most {} names and {} bytes. The limits of each operation stand in \
         `x-yard-limits`; `RateLimit` and `RateLimit-Policy` say how much of them is left.",
        caps.depth, caps.members, caps.url_bytes, caps.headers, caps.header_bytes
    );
    json!({
        "title": "Switchyard",
        "version": "v1",
        "summary": "People, devices and jobs exchange confirmed messages.",
        "description": text,
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
    })
}

/// In the order of the contract, so that the document does not depend on a hash map.
fn ordered(routes: &Routes) -> Vec<&Route> {
    let mut all: Vec<_> = routes.iter().collect();
    all.sort_by(|a, b| {
        let key = |r: &Route| (r.rpc.path.as_str().to_owned(), r.template.text().to_owned());
        key(a).cmp(&key(b)).then_with(|| a.method.as_str().cmp(b.method.as_str()))
    });
    all
}

/// The last part of each field path: `device.device_id` is `device_id`.
fn parameter_names(route: &Route) -> Vec<String> {
    let last = |path: &str| path.rsplit('.').next().unwrap_or(path).to_owned();
    route.template.fields().map(last).collect()
}

/// `SendCommand` → `sendCommand`; the second route of an RPC gets a 2.
fn operation_id(route: &Route, ids: &mut BTreeMap<String, usize>) -> String {
    let name = route.rpc.descriptor.name();
    let mut letters = name.chars();
    let first = letters.next().map(|c| c.to_ascii_lowercase());
    let id: String = first.into_iter().chain(letters).collect();
    let count = ids.entry(id.clone()).or_insert(0);
    *count += 1;
    if *count == 1 { id } else { format!("{id}{count}") }
}

fn tags(routes: &[&Route], comments: &Comments) -> Vec<Value> {
    let mut tags = BTreeMap::new();
    for route in routes {
        let service = route.rpc.descriptor.parent_service();
        let name =
            service.name().strip_suffix("Service").unwrap_or_else(|| service.name()).to_owned();
        let text =
            comments.at(&service.parent_file(), service.path()).unwrap_or_default().to_owned();
        tags.insert(name, text);
    }
    tags.into_iter().map(|(name, text)| json!({ "name": name, "description": text })).collect()
}

fn security_schemes() -> Value {
    json!({
        "session_cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": crate::session::COOKIE,
            "description": "Set by signing in from a browser.",
        },
        "session_token": {
            "type": "http",
            "scheme": "bearer",
            "description": "The session token that signing in with SESSION_DELIVERY_TOKEN gives.",
        },
    })
}
