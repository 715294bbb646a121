//! One route as an operation.

use std::collections::BTreeMap;

use prost_reflect::{Cardinality, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};
use yard_contracts::access::v1::Scope;

use super::comments::Comments;
use super::responses;
use super::schema::{Schemas, Way, well_known};
use crate::Config;
use crate::limits::{RateConfig, class_name};
use crate::transcode::{BodyRule, Route, field_at};

/// The operation of a route; `names` are the path's parameters as the document spells them.
pub(super) fn operation(
    route: &Route,
    id: &str,
    names: &[String],
    comments: &Comments,
    schemas: &mut Schemas<'_>,
    config: &Config,
) -> Value {
    let method = &route.rpc.descriptor;
    let service = method.parent_service().name();
    let comment = comments.at(&method.parent_file(), method.path()).unwrap_or_default();
    let mut operation = json!({
        "operationId": id,
        "tags": [service.strip_suffix("Service").unwrap_or(service)],
        "summary": summary(comment, method.name()),
        "responses": answers(route, schemas, config),
        "security": security(route),
        "x-yard-access": access(route),
        "x-yard-limits": limits(route, config),
    });
    if !comment.is_empty() {
        operation["description"] = json!(comment);
    }
    let mut parameters = path_parameters(route, names, schemas);
    parameters.extend(query_parameters(route, schemas));
    parameters.extend(header_parameters(route));
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    if let Some(body) = body(route, schemas) {
        operation["requestBody"] = body;
    }
    operation
}

/// The first sentence, or the method's name in words.
fn summary(comment: &str, name: &str) -> String {
    let text = comment.replace('\n', " ");
    let first = text.split_once(". ").map_or(text.as_str(), |(first, _)| first);
    let first = first.trim_end_matches('.');
    if !first.is_empty() {
        return first.to_owned();
    }
    let mut words = String::new();
    for (at, letter) in name.chars().enumerate() {
        if at > 0 && letter.is_uppercase() {
            words.push(' ');
            words.extend(letter.to_lowercase());
        } else {
            words.push(letter);
        }
    }
    words
}

fn access(route: &Route) -> Value {
    let policy = &route.rpc.policy;
    let mut access = json!({
        "scope": policy.scope().as_str_name(),
        "rate": policy.rate().as_str_name(),
        "audit": policy.audit,
    });
    if !policy.permission.is_empty() {
        access["permission"] = json!(policy.permission);
    }
    if policy.max_auth_age_seconds > 0 {
        access["max_auth_age_seconds"] = json!(policy.max_auth_age_seconds);
    }
    if policy.before_second_factor {
        access["before_second_factor"] = json!(true);
    }
    if policy.provider_sessions {
        access["provider_sessions"] = json!(true);
    }
    access
}

/// What the gateway grants of this operation.
fn limits(route: &Route, config: &Config) -> Value {
    let rate = route.rpc.policy.rate();
    let class = config.limits.of(rate);
    let grant = |grant: RateConfig| json!({ "burst": grant.burst, "interval_seconds": grant.interval.as_secs_f64() });
    let mut limits = json!({
        "class": class_name(rate),
        "address": grant(class.address),
        "deadline_seconds": class.deadline.as_secs_f64(),
    });
    if route.rpc.policy.scope() != Scope::Public {
        limits["session"] = grant(class.session);
        limits["tenant"] = grant(class.tenant);
    }
    if route.body != BodyRule::None {
        limits["body_bytes"] = json!(responses::largest_body(route, config));
    }
    limits
}

fn security(route: &Route) -> Value {
    if route.rpc.policy.scope() == Scope::Public {
        return json!([]);
    }
    json!([{ "session_cookie": [] }, { "session_token": [] }])
}

fn answers(route: &Route, schemas: &mut Schemas<'_>, config: &Config) -> Value {
    let method = &route.rpc.descriptor;
    let schema = schemas.reference(&method.output(), Way::Response);
    let content = if method.is_server_streaming() {
        let text = "Server-sent events. `message`: the data is one message as JSON, see \
                    `x-yard-event`. `error`: the data is a Problem and the stream ends.";
        json!({ "text/event-stream": {
            "schema": { "type": "string", "description": text },
            "x-yard-event": schema,
        }})
    } else {
        json!({ "application/json": { "schema": schema } })
    };
    let mut all: Map<String, Value> = responses::errors_of(route, config).collect();
    let headers = json!({
        "RateLimit": { "$ref": "#/components/headers/RateLimit" },
        "RateLimit-Policy": { "$ref": "#/components/headers/RateLimit-Policy" },
    });
    let done = json!({ "description": "Done.", "content": content, "headers": headers });
    all.insert("200".to_owned(), done);
    Value::Object(all)
}

fn path_parameters(route: &Route, names: &[String], schemas: &mut Schemas<'_>) -> Vec<Value> {
    let input = route.rpc.descriptor.input();
    let bound = route.template.fields().zip(names).filter_map(|(path, name)| {
        let mut schema = schemas.field(&field_at(&input, path)?, Way::Request);
        let description = take_description(&mut schema);
        if schema["type"] == "string" && schema.get("format").is_none() {
            schema["minLength"] = json!(1);
        }
        Some(parameter("path", name, true, schema, description))
    });
    bound.collect()
}

fn query_parameters(route: &Route, schemas: &mut Schemas<'_>) -> Vec<Value> {
    if route.body == BodyRule::Whole {
        return Vec::new();
    }
    let mut leaves = BTreeMap::new();
    let bound: Vec<_> = route.template.fields().collect();
    let body = match &route.body {
        BodyRule::Field(field) => Some(field.name().to_owned()),
        BodyRule::None | BodyRule::Whole => None,
    };
    collect_leaves(&route.rpc.descriptor.input(), "", &mut leaves, schemas, 0);
    let of_body =
        |name: &str| body.as_ref().is_some_and(|b| name == b || name.starts_with(&format!("{b}.")));
    leaves.retain(|name, _| !bound.contains(&name.as_str()) && !of_body(name));
    let parameters = leaves.into_iter().map(|(name, mut schema)| {
        let description = take_description(&mut schema);
        parameter("query", &name, false, schema, description)
    });
    parameters.collect()
}

/// Every field that a query parameter can set, by its dotted path.
fn collect_leaves(
    message: &MessageDescriptor,
    prefix: &str,
    leaves: &mut BTreeMap<String, Value>,
    schemas: &mut Schemas<'_>,
    depth: usize,
) {
    for field in message.fields().filter(|f| !f.is_map()) {
        let path = format!("{prefix}{}", field.name());
        match field.kind() {
            Kind::Message(inner) if well_known(inner.full_name()).is_none() => {
                // Deeper ones are taken, yet a document has to end.
                if field.cardinality() != Cardinality::Repeated && depth < 2 {
                    collect_leaves(&inner, &format!("{path}."), leaves, schemas, depth + 1);
                }
            }
            Kind::Message(inner) if !has_text_form(inner.full_name()) => {}
            _ => {
                leaves.insert(path, schemas.field(&field, Way::Request));
            }
        }
    }
}

fn has_text_form(name: &str) -> bool {
    matches!(name, "google.protobuf.Timestamp" | "google.protobuf.FieldMask")
}

fn header_parameters(route: &Route) -> Vec<Value> {
    let mut parameters = Vec::new();
    let policy = &route.rpc.policy;
    if policy.idempotent {
        let schema =
            json!({ "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$" });
        let text = "The same key with the same request gives the first answer again.";
        parameters.push(parameter("header", "Idempotency-Key", false, schema, Some(json!(text))));
    }
    if route.is_unsafe() && (policy.scope() != Scope::Public || route.rpc.opens_session) {
        let schema = json!({ "type": "string", "minLength": 1 });
        let text = if route.rpc.opens_session {
            "Any text. Proves that no form of another site sent this; refused without."
        } else {
            "Any text. Needed with a session cookie: proves that no form of another site sent this."
        };
        parameters.push(parameter("header", "X-Yard-Csrf", false, schema, Some(json!(text))));
    }
    parameters
}

fn parameter(
    place: &str,
    name: &str,
    required: bool,
    schema: Value,
    description: Option<Value>,
) -> Value {
    let mut parameter =
        json!({ "in": place, "name": name, "required": required, "schema": schema });
    if let Some(text) = description {
        parameter["description"] = text;
    }
    parameter
}

fn take_description(schema: &mut Value) -> Option<Value> {
    schema.as_object_mut()?.remove("description")
}

fn body(route: &Route, schemas: &mut Schemas<'_>) -> Option<Value> {
    let input = route.rpc.descriptor.input();
    let (schema, required) = match &route.body {
        BodyRule::None => return None,
        BodyRule::Field(field) => (schemas.field(field, Way::Request), true),
        BodyRule::Whole => {
            let bound: Vec<_> = route.template.fields().collect();
            let rest = input.fields().filter(|f| !bound.contains(&f.name())).count();
            (schemas.object(&input, Way::Request, &bound), rest > 0)
        }
    };
    let mut content = json!({ "application/json": { "schema": schema } });
    if route.takes_form() && route.template.fields().next().is_none() {
        content["application/x-www-form-urlencoded"] = json!({ "schema": schema });
    }
    Some(json!({ "required": required, "content": content }))
}
