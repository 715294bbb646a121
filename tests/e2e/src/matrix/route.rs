//! Makes the HTTP request of an RPC from its route and its arguments.

use anyhow::{Context as _, bail};
use prost_reflect::{DynamicMessage, MethodDescriptor, Value as Field};
use serde_json::{Map, Value};
use yard_contracts::descriptors;

/// A request as it goes out.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: Option<Value>,
}

/// Fills an RPC's route with `arguments`: what the path does not take is body or query.
pub(super) fn request(rpc: &MethodDescriptor, arguments: Value) -> anyhow::Result<Request> {
    let rule = rule(rpc)?;
    let (method, template) = ["get", "post", "put", "patch", "delete"]
        .into_iter()
        .find_map(|verb| Some((verb, text(&rule, verb)?)))
        .context("the route names no method")?;
    let Value::Object(mut left) = arguments else { bail!("arguments are an object") };
    let mut path = fill(&template, &mut left)?;
    let body = match text(&rule, "body").as_deref() {
        Some("*") => Some(Value::Object(left)),
        Some(field) => left.remove(field),
        None => {
            let query: Vec<_> = left.iter().map(|(k, v)| format!("{k}={}", plain(v))).collect();
            if !query.is_empty() {
                path = format!("{path}?{}", query.join("&"));
            }
            None
        }
    };
    let method = match method {
        "get" => "GET",
        "post" => "POST",
        "put" => "PUT",
        "patch" => "PATCH",
        _ => "DELETE",
    };
    Ok(Request { method, path, body })
}

fn rule(rpc: &MethodDescriptor) -> anyhow::Result<DynamicMessage> {
    let extension = descriptors().get_extension_by_name("google.api.http").context("google.api")?;
    let options = rpc.options();
    let rule = options.get_extension(&extension);
    rule.as_message().cloned().context("the route is a message")
}

fn text(message: &DynamicMessage, field: &str) -> Option<String> {
    match message.get_field_by_name(field)?.as_ref() {
        Field::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

/// Replaces `{name}` and `{message.name}`.
fn fill(template: &str, left: &mut Map<String, Value>) -> anyhow::Result<String> {
    let mut path = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').context("an open brace is closed")?;
        path.push_str(before);
        let value = match name.split_once('.') {
            Some((outer, inner)) => left
                .get_mut(outer)
                .and_then(Value::as_object_mut)
                .and_then(|object| object.remove(inner)),
            None => left.remove(name),
        };
        path.push_str(&plain(&value.with_context(|| format!("no argument for {name}"))?));
        rest = after;
    }
    path.push_str(rest);
    Ok(path)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
