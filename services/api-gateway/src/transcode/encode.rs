//! Messages to JSON: the contract's field names, integers as numbers, zero values and empty arrays
//! present, messages that are not set left out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DynamicMessage, Kind, MapKey, ReflectMessage as _, Value};
use serde_json::{Map, Number, Value as Json};
use yard_fault::Fault;

use super::well_known;

/// A message's JSON.
///
/// # Errors
/// When a service sent what has no JSON form.
pub fn message(message: &DynamicMessage) -> Result<Json, Fault> {
    let kind = message.descriptor();
    if let Some(made) = well_known::to_json(message, kind.full_name()) {
        return made;
    }
    let mut fields = Map::new();
    for field in kind.fields() {
        if field.supports_presence() && !message.has_field(&field) {
            continue;
        }
        let json = value(message.get_field(&field).as_ref(), &field.kind())?;
        fields.insert(field.name().to_owned(), json);
    }
    Ok(Json::Object(fields))
}

fn value(value: &Value, kind: &Kind) -> Result<Json, Fault> {
    Ok(match value {
        Value::Bool(v) => Json::Bool(*v),
        Value::I32(v) => Json::from(*v),
        Value::I64(v) => Json::from(*v),
        Value::U32(v) => Json::from(*v),
        Value::U64(v) => Json::from(*v),
        Value::F32(v) => float(f64::from(*v)),
        Value::F64(v) => float(*v),
        Value::String(text) => Json::String(text.clone()),
        Value::Bytes(bytes) => Json::String(STANDARD.encode(bytes)),
        Value::EnumNumber(number) => choice(*number, kind),
        Value::Message(inner) => message(inner)?,
        Value::List(items) => {
            items.iter().map(|item| self::value(item, kind)).collect::<Result<_, _>>()?
        }
        Value::Map(entries) => {
            let inner = match kind {
                Kind::Message(entry) => entry.map_entry_value_field().kind(),
                other => other.clone(),
            };
            let entries = entries.iter().map(|(k, v)| Ok((key(k), self::value(v, &inner)?)));
            Json::Object(entries.collect::<Result<Map<_, _>, Fault>>()?)
        }
    })
}

/// JSON has no infinities; a number that is none is null.
fn float(v: f64) -> Json {
    Number::from_f64(v).map_or(Json::Null, Json::Number)
}

/// A name, or the number where a newer service knows a name that we do not.
fn choice(number: i32, kind: &Kind) -> Json {
    let name = match kind {
        Kind::Enum(choice) => choice.get_value(number).map(|v| v.name().to_owned()),
        _ => None,
    };
    name.map_or_else(|| Json::from(number), Json::String)
}

fn key(key: &MapKey) -> String {
    match key {
        MapKey::Bool(v) => v.to_string(),
        MapKey::I32(v) => v.to_string(),
        MapKey::I64(v) => v.to_string(),
        MapKey::U32(v) => v.to_string(),
        MapKey::U64(v) => v.to_string(),
        MapKey::String(v) => v.clone(),
    }
}
