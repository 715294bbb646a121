//! Single values, from JSON and from the text of a parameter.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use prost_reflect::{Kind, Value};
use serde_json::Value as Json;

/// Completes "has to be …".
type Need = &'static str;

/// Reads a value of a body.
pub(super) fn from_json(kind: &Kind, json: &Json) -> Result<Value, Need> {
    match (kind, json) {
        (Kind::String, Json::String(text)) => string(text),
        (Kind::Bytes, Json::String(text)) => bytes(text),
        (Kind::Enum(_), Json::String(text)) => from_text(kind, text),
        (Kind::Bool, Json::Bool(value)) => Ok(Value::Bool(*value)),
        (Kind::Double, Json::Number(n)) => n.as_f64().map(Value::F64).ok_or_else(|| need(kind)),
        #[expect(clippy::cast_possible_truncation, reason = "a float field holds no more")]
        (Kind::Float, Json::Number(n)) => n
            .as_f64()
            .map(|v| v as f32)
            .filter(|v| v.is_finite())
            .map(Value::F32)
            .ok_or_else(|| need(kind)),
        (_, Json::Number(n)) => whole(n).and_then(|n| integer(kind, n)).ok_or_else(|| need(kind)),
        _ => Err(need(kind)),
    }
}

/// Reads a path, query or form value.
pub(super) fn from_text(kind: &Kind, text: &str) -> Result<Value, Need> {
    let finite = |v: &f64| v.is_finite();
    match kind {
        Kind::String => string(text),
        Kind::Bytes => bytes(text),
        Kind::Bool => text.parse().map(Value::Bool).map_err(|_e| need(kind)),
        Kind::Enum(choice) => {
            let value = choice.get_value_by_name(text).ok_or_else(|| need(kind))?;
            Ok(Value::EnumNumber(value.number()))
        }
        Kind::Double => text.parse().ok().filter(finite).map(Value::F64).ok_or_else(|| need(kind)),
        Kind::Float => text
            .parse::<f32>()
            .ok()
            .filter(|v| v.is_finite())
            .map(Value::F32)
            .ok_or_else(|| need(kind)),
        _ => text.parse().ok().and_then(|n| integer(kind, n)).ok_or_else(|| need(kind)),
    }
}

fn string(text: &str) -> Result<Value, Need> {
    // No store of ours keeps a zero byte in a text.
    if text.contains('\0') {
        return Err("a text without zero bytes");
    }
    Ok(Value::String(text.to_owned()))
}

fn bytes(text: &str) -> Result<Value, Need> {
    let read = STANDARD.decode(text).or_else(|_not_standard| URL_SAFE.decode(text));
    read.map(|bytes| Value::Bytes(bytes.into())).map_err(|_e| need(&Kind::Bytes))
}

/// JSON has one kind of number: `5.0` is as whole as `5`.
fn whole(number: &serde_json::Number) -> Option<i128> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Some(n) = number.as_i64() {
        return Some(n.into());
    }
    if let Some(n) = number.as_u64() {
        return Some(n.into());
    }
    let n = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() <= EXACT)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    Some(n as i128)
}

fn integer(kind: &Kind, n: i128) -> Option<Value> {
    match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => n.try_into().ok().map(Value::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => n.try_into().ok().map(Value::I64),
        Kind::Uint32 | Kind::Fixed32 => n.try_into().ok().map(Value::U32),
        Kind::Uint64 | Kind::Fixed64 => n.try_into().ok().map(Value::U64),
        _ => None,
    }
}

const fn need(kind: &Kind) -> Need {
    match kind {
        Kind::String => "a text",
        Kind::Bytes => "bytes in base64",
        Kind::Bool => "true or false",
        Kind::Enum(_) => "one of its names",
        Kind::Double | Kind::Float => "a finite number",
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => "a whole number of 32 bits",
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => "a whole number of 64 bits",
        Kind::Uint32 | Kind::Fixed32 => "a whole number of 32 bits, not negative",
        Kind::Uint64 | Kind::Fixed64 => "a whole number of 64 bits, not negative",
        Kind::Message(_) => "an object",
    }
}
