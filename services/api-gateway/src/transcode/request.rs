//! A whole request message from path, query and body.

use http::{HeaderMap, Method, header};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage as _, Value};
use prost_types::FieldMask;
use serde_json::Value as Json;
use yard_fault::{Code, Fault};

use super::depth::Shape;
use super::pointer::Pointer;
use super::rule::{BodyRule, Route};
use super::{decode, params};

/// Builds the message of a call.
///
/// # Errors
/// What was wrong with the request, with a pointer to it where there is one.
pub fn read(
    route: &Route,
    captured: &[&str],
    query: &str,
    headers: &HeaderMap,
    body: &[u8],
    shape: Shape,
) -> Result<DynamicMessage, Fault> {
    let input = route.rpc.descriptor.input();
    let mut named = Vec::new();
    let mut message = match (&route.body, media_type(route, headers, body)?) {
        (BodyRule::None, _) | (BodyRule::Whole, Media::Nothing) => DynamicMessage::new(input),
        (BodyRule::Whole, Media::Form) => {
            let text =
                std::str::from_utf8(body).map_err(|_e| Fault::new(Code::RequestMalformed))?;
            let mut message = DynamicMessage::new(input);
            params::bind_form(&mut message, text)?;
            message
        }
        (BodyRule::Whole, Media::Json) => {
            decode::message(&input, decode::parse(body, shape)?, &mut Pointer::default())?
        }
        (BodyRule::Field(field), _) => {
            let json = decode::parse(body, shape)?;
            named.extend(json.as_object().into_iter().flatten().map(|(name, _)| name.clone()));
            from_field(route, field, json)?
        }
    };
    params::bind_query(route, &mut message, query)?;
    params::bind_path(route, &mut message, captured)?;
    if let BodyRule::Field(field) = &route.body
        && route.method == Method::PATCH
    {
        derive_mask(route, field, &mut message, named)?;
    }
    Ok(message)
}

fn from_field(route: &Route, field: &FieldDescriptor, json: Json) -> Result<DynamicMessage, Fault> {
    let Kind::Message(kind) = field.kind() else {
        return Err(Fault::internal("the body is no message"));
    };
    let mut message = DynamicMessage::new(route.rpc.descriptor.input());
    let inner = decode::message(&kind, json, &mut Pointer::default())?;
    message.set_field(field, Value::Message(inner));
    Ok(message)
}

/// A PATCH without `update_mask` changes the fields that its body names, but for those that the
/// address names too.
fn derive_mask(
    route: &Route,
    body: &FieldDescriptor,
    message: &mut DynamicMessage,
    mut named: Vec<String>,
) -> Result<(), Fault> {
    let is_mask = |f: &FieldDescriptor| matches!(f.kind(), Kind::Message(m) if m.full_name() == "google.protobuf.FieldMask");
    let Some(field) = message.descriptor().fields().find(is_mask) else {
        return Ok(());
    };
    if message.has_field(&field) {
        return Ok(());
    }
    let bound = |name: &String| {
        let path = format!("{}.{name}", body.name());
        route.template.fields().any(|bound| bound == path)
    };
    named.retain(|name| !bound(name));
    named.sort();
    let mask = message.get_field_mut(&field).as_message_mut();
    let mask = mask.ok_or_else(|| Fault::internal("a field mask is no message"))?;
    mask.transcode_from(&FieldMask { paths: named })
        .map_err(|e| Fault::internal("a field mask does not fit").with_source(e))
}

enum Media {
    Nothing,
    Json,
    Form,
}

fn media_type(route: &Route, headers: &HeaderMap, body: &[u8]) -> Result<Media, Fault> {
    if route.body == BodyRule::None {
        return Ok(Media::Nothing);
    }
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return if body.is_empty() { Ok(Media::Nothing) } else { Err(unsupported()) };
    };
    let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
    let (essence, parameters) = text.split_once(';').unwrap_or((&text, ""));
    let charset = parameters.split(';').find_map(|p| p.trim().strip_prefix("charset="));
    if charset.is_some_and(|name| name.trim_matches('"') != "utf-8") {
        return Err(unsupported());
    }
    match essence.trim() {
        _ if body.is_empty() => Ok(Media::Nothing),
        "application/json" => Ok(Media::Json),
        "application/x-www-form-urlencoded" if route.takes_form() => Ok(Media::Form),
        _ => Err(unsupported()),
    }
}

fn unsupported() -> Fault {
    Code::RequestUnsupportedMediaType.into()
}
