//! Bytes from outside into a JSON object, or the reason why not.

use serde_json::{Map, Value};
use yard_fault::Code;

use super::{DEEPEST, Flaw, LARGEST_PAYLOAD};

/// Reads a payload. Size, encoding and depth are checked before anything is parsed.
pub(crate) fn read(payload: &[u8]) -> Result<Map<String, Value>, Flaw> {
    if payload.len() > LARGEST_PAYLOAD {
        let detail = format!("{} bytes; at most {LARGEST_PAYLOAD}", payload.len());
        return Err(Flaw::new(Code::TelemetryTooLarge, "", detail));
    }
    let text = std::str::from_utf8(payload).map_err(|error| {
        let detail = format!("not UTF-8 from byte {}", error.valid_up_to());
        Flaw::new(Code::TelemetryInvalidUtf8, "", detail)
    })?;
    if deeper_than(text.as_bytes(), DEEPEST) {
        let detail = format!("nested deeper than {DEEPEST} levels");
        return Err(Flaw::new(Code::TelemetryTooDeep, "", detail));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Flaw::new(Code::TelemetryMalformed, "", "not a JSON object")),
        Err(error) => Err(Flaw::new(Code::TelemetryMalformed, "", error.to_string())),
    }
}

/// Whether brackets outside of strings nest deeper than `most`. One pass, no recursion.
fn deeper_than(text: &[u8], most: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > most {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Whether any text in it holds the character NUL, which the database cannot store.
pub(super) fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(object) => object.iter().any(|(k, v)| k.contains('\0') || holds_nul(v)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Takes a whole number from 0 to 2^53 - 1 out of an object.
pub(super) fn take_count(object: &mut Map<String, Value>, name: &str) -> Result<Option<i64>, Flaw> {
    const MOST: i64 = (1 << 53) - 1;
    let Some(value) = object.remove(name) else {
        return Ok(None);
    };
    let pointer = format!("/{name}");
    let Value::Number(number) = value else {
        return Err(Flaw::new(Code::TelemetryTypeMismatch, &pointer, "has to be a whole number"));
    };
    match number.as_i64() {
        Some(count) if (0..=MOST).contains(&count) => Ok(Some(count)),
        // Includes whole numbers beyond 64 bits, which arrive as floating point.
        _ if number.as_f64().is_some_and(|f| f.fract().abs() > 0.0) => {
            Err(Flaw::new(Code::TelemetryTypeMismatch, &pointer, "has to be a whole number"))
        }
        _ => Err(Flaw::new(Code::TelemetryOutOfRange, &pointer, "has to be 0 to 2^53 - 1")),
    }
}
