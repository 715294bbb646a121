//! Conversions between protobuf's well-known types and what our code works with.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Timestamp, Value};
use serde_json::{Map, Number, Value as Json};
use time::OffsetDateTime;

/// A moment as protobuf has it.
#[must_use]
pub fn timestamp(at: OffsetDateTime) -> Timestamp {
    Timestamp {
        seconds: at.unix_timestamp(),
        nanos: i32::try_from(at.nanosecond()).expect("nanoseconds are below 10^9"),
    }
}

/// The moment a protobuf timestamp says; `None` outside the years 1 to 9999.
#[must_use]
pub fn moment(at: &Timestamp) -> Option<OffsetDateTime> {
    let nanos = u32::try_from(at.nanos).ok().filter(|n| *n < 1_000_000_000)?;
    let at = OffsetDateTime::from_unix_timestamp(at.seconds).ok()?;
    at.replace_nanosecond(nanos).ok().filter(|at| at.year() > 0)
}

/// A JSON object as a protobuf `Struct`.
#[must_use]
pub fn to_struct(object: Map<String, Json>) -> Struct {
    Struct { fields: object.into_iter().map(|(k, v)| (k, to_value(v))).collect() }
}

fn to_value(json: Json) -> Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(b) => Kind::BoolValue(b),
        Json::Number(n) => Kind::NumberValue(n.as_f64().unwrap_or(f64::NAN)),
        Json::String(s) => Kind::StringValue(s),
        Json::Array(items) => {
            Kind::ListValue(ListValue { values: items.into_iter().map(to_value).collect() })
        }
        Json::Object(object) => Kind::StructValue(to_struct(object)),
    };
    Value { kind: Some(kind) }
}

/// A protobuf `Struct` as a JSON object. Whole numbers below 2^53 become JSON integers, so that a
/// schema's `integer` holds for them.
#[must_use]
pub fn from_struct(message: Struct) -> Map<String, Json> {
    message.fields.into_iter().map(|(k, v)| (k, from_value(v))).collect()
}

fn from_value(value: Value) -> Json {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(b)) => Json::Bool(b),
        Some(Kind::NumberValue(n)) => number(n),
        Some(Kind::StringValue(s)) => Json::String(s),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(from_value).collect(),
        Some(Kind::StructValue(object)) => Json::Object(from_struct(object)),
    }
}

fn number(n: f64) -> Json {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if n.fract() == 0.0 && n.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        return Json::Number(Number::from(n as i64));
    }
    Number::from_f64(n).map_or(Json::Null, Json::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn struct_round_trip_keeps_json() {
        let json = serde_json::json!({"a": 1, "b": 1.5, "c": [null, true, "x"], "d": {"e": -7}});
        let Json::Object(object) = json.clone() else { unreachable!() };
        assert_eq!(Json::Object(from_struct(to_struct(object))), json);
    }

    #[test]
    fn timestamp_round_trip_keeps_nanoseconds() {
        let at = OffsetDateTime::from_unix_timestamp_nanos(1_763_700_000_123_456_789).unwrap();
        assert_eq!(moment(&timestamp(at)), Some(at));
        assert_eq!(moment(&Timestamp { seconds: 0, nanos: -1 }), None);
        assert_eq!(moment(&Timestamp { seconds: i64::MAX, nanos: 0 }), None);
    }
}
