//! JSON to messages. A field that does not exist is refused, not skipped.

use std::collections::HashMap;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use serde_json::{Map, Value as Json};
use yard_fault::{Code, Fault};

use super::depth::{Excess, Shape};
use super::pointer::Pointer;
use super::routes::WELL_KNOWN;
use super::{scalar, well_known};

/// Parses a body. Nothing is built before its shape is known.
pub(super) fn parse(bytes: &[u8], shape: Shape) -> Result<Json, Fault> {
    let malformed = |text: String| Fault::new(Code::RequestMalformed).with_public(text);
    let text =
        std::str::from_utf8(bytes).map_err(|_e| malformed("the body is not UTF-8".to_owned()))?;
    match shape.excess(text) {
        None => {}
        Some(Excess::Depth) => {
            return Err(Fault::new(Code::RequestTooDeep)
                .with_public(format!("a body may nest {} levels", shape.depth)));
        }
        Some(Excess::Members) => {
            return Err(Fault::new(Code::RequestTooManyMembers)
                .with_public(format!("a body may have {} members and elements", shape.members)));
        }
    }
    serde_json::from_str(text).map_err(|e| malformed(format!("the body is no JSON: {e}")))
}

/// A message from its JSON.
pub(super) fn message(
    kind: &MessageDescriptor,
    json: Json,
    at: &mut Pointer,
) -> Result<DynamicMessage, Fault> {
    if WELL_KNOWN.contains(&kind.full_name()) {
        return well_known::from_json(kind, json, at);
    }
    let Json::Object(fields) = json else {
        return Err(at.invalid("an object"));
    };
    let mut made = DynamicMessage::new(kind.clone());
    for (name, value) in fields {
        at.push(name.as_str());
        let field = kind.get_field_by_name(&name).ok_or_else(|| at.unknown())?;
        set(&mut made, &field, value, at)?;
        at.pop();
    }
    Ok(made)
}

fn set(
    message: &mut DynamicMessage,
    field: &FieldDescriptor,
    json: Json,
    at: &mut Pointer,
) -> Result<(), Fault> {
    // `null` is the same as leaving the field out, but for the one message that can say null.
    let nullable =
        matches!(field.kind(), Kind::Message(m) if m.full_name() == "google.protobuf.Value");
    if json.is_null() && !nullable {
        return Ok(());
    }
    let taken = field.containing_oneof().is_some_and(|o| o.fields().any(|f| message.has_field(&f)));
    if taken {
        return Err(at.invalid("the only one of its group"));
    }
    let value = match json {
        Json::Object(entries) if field.is_map() => map(field, entries, at)?,
        Json::Array(items) if field.is_list() => list(field, items, at)?,
        _ if field.is_map() => return Err(at.invalid("an object")),
        _ if field.is_list() => return Err(at.invalid("an array")),
        json => single(&field.kind(), json, at)?,
    };
    message.set_field(field, value);
    Ok(())
}

fn single(kind: &Kind, json: Json, at: &mut Pointer) -> Result<Value, Fault> {
    match kind {
        Kind::Message(inner) => message(inner, json, at).map(Value::Message),
        kind => scalar::from_json(kind, &json).map_err(|need| at.invalid(need)),
    }
}

fn list(field: &FieldDescriptor, items: Vec<Json>, at: &mut Pointer) -> Result<Value, Fault> {
    let mut values = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        at.push(index.to_string());
        values.push(single(&field.kind(), item, at)?);
        at.pop();
    }
    Ok(Value::List(values))
}

fn map(
    field: &FieldDescriptor,
    entries: Map<String, Json>,
    at: &mut Pointer,
) -> Result<Value, Fault> {
    let Kind::Message(entry) = field.kind() else {
        return Err(at.invalid("an object"));
    };
    let (key_kind, value_kind) =
        (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
    let mut values = HashMap::with_capacity(entries.len());
    for (name, item) in entries {
        at.push(name.as_str());
        let key = scalar::from_text(&key_kind, &name).ok().and_then(as_key);
        let key = key.ok_or_else(|| at.invalid("a key of the map's kind"))?;
        values.insert(key, single(&value_kind, item, at)?);
        at.pop();
    }
    Ok(Value::Map(values))
}

fn as_key(value: Value) -> Option<MapKey> {
    Some(match value {
        Value::Bool(v) => MapKey::Bool(v),
        Value::I32(v) => MapKey::I32(v),
        Value::I64(v) => MapKey::I64(v),
        Value::U32(v) => MapKey::U32(v),
        Value::U64(v) => MapKey::U64(v),
        Value::String(v) => MapKey::String(v),
        _ => return None,
    })
}
