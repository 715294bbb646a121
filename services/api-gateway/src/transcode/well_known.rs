//! The `google.protobuf` messages that have a JSON form of their own.

use prost_reflect::{DynamicMessage, MessageDescriptor};
use prost_types::{FieldMask, ListValue, Struct, Timestamp, Value as ProtoValue, value::Kind};
use serde_json::{Map, Value as Json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use yard_contracts::values;
use yard_fault::{Code, Fault};

use super::pointer::Pointer;

/// Levels of free-form JSON. Each is up to three messages, and prost reads no more than a hundred
/// within each other; so every service behind us can read what passes here.
const DEEPEST_VALUE: usize = 24;

/// From JSON, for the messages that are not ours.
pub(super) fn from_json(
    kind: &MessageDescriptor,
    json: Json,
    at: &Pointer,
) -> Result<DynamicMessage, Fault> {
    let text = |json: Json, need| match json {
        Json::String(text) => from_text(kind, &text, at),
        _ => Err(at.invalid(need)),
    };
    match kind.full_name() {
        "google.protobuf.Timestamp" => text(json, "a time as RFC 3339 has it"),
        "google.protobuf.FieldMask" => text(json, "field names joined by commas"),
        "google.protobuf.Struct" => shallow(&json, at).and_then(|()| match json {
            Json::Object(object) => message(kind, &values::to_struct(object)),
            _ => Err(at.invalid("an object")),
        }),
        "google.protobuf.Value" => shallow(&json, at).and_then(|()| message(kind, &value(json))),
        "google.protobuf.ListValue" => shallow(&json, at).and_then(|()| match json {
            Json::Array(items) => {
                message(kind, &ListValue { values: items.into_iter().map(value).collect() })
            }
            _ => Err(at.invalid("an array")),
        }),
        "google.protobuf.Empty" => match json {
            Json::Object(object) if object.is_empty() => Ok(DynamicMessage::new(kind.clone())),
            _ => Err(at.invalid("an empty object")),
        },
        name => Err(Fault::internal(format!("{name} has no JSON form"))),
    }
}

/// From the text of a parameter.
pub(super) fn from_text(
    kind: &MessageDescriptor,
    text: &str,
    at: &Pointer,
) -> Result<DynamicMessage, Fault> {
    match kind.full_name() {
        "google.protobuf.Timestamp" => {
            let read = OffsetDateTime::parse(text, &Rfc3339).ok().map(values::timestamp);
            let read = read.filter(|at| values::moment(at).is_some());
            message(kind, &read.ok_or_else(|| at.invalid("a time as RFC 3339 has it"))?)
        }
        "google.protobuf.FieldMask" => {
            let paths: Vec<_> = text.split(',').map(str::to_owned).collect();
            let name =
                |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.';
            if paths.iter().any(|path| path.is_empty() || !path.bytes().all(name)) {
                return Err(at.invalid("field names joined by commas"));
            }
            message(kind, &FieldMask { paths })
        }
        _ => Err(at.invalid("sent in a body, not as a parameter")),
    }
}

fn message(kind: &MessageDescriptor, from: &impl prost::Message) -> Result<DynamicMessage, Fault> {
    let mut made = DynamicMessage::new(kind.clone());
    made.transcode_from(from)
        .map_err(|e| Fault::internal("a well-known message does not fit").with_source(e))?;
    Ok(made)
}

fn value(json: Json) -> ProtoValue {
    let mut wrapped = values::to_struct(Map::from_iter([(String::new(), json)]));
    wrapped.fields.remove("").unwrap_or(ProtoValue { kind: Some(Kind::NullValue(0)) })
}

fn shallow(json: &Json, at: &Pointer) -> Result<(), Fault> {
    fn depth(json: &Json) -> usize {
        match json {
            Json::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
            Json::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }
    if depth(json) <= DEEPEST_VALUE {
        return Ok(());
    }
    Err(Fault::new(Code::RequestTooDeep)
        .with_public(format!("free-form values may nest {DEEPEST_VALUE} levels"))
        .with_pointer(at.to_string()))
}

/// To JSON; `None` for messages that are ours.
pub(super) fn to_json(message: &DynamicMessage, name: &str) -> Option<Result<Json, Fault>> {
    let broken = |e: prost::DecodeError| {
        Fault::internal("a service sent a message that cannot be read").with_source(e)
    };
    Some(match name {
        "google.protobuf.Timestamp" => {
            message.transcode_to::<Timestamp>().map_err(broken).and_then(|at| {
                let text = values::moment(&at).and_then(|at| at.format(&Rfc3339).ok());
                text.map(Json::String)
                    .ok_or_else(|| Fault::internal("a service sent an impossible time"))
            })
        }
        "google.protobuf.FieldMask" => {
            message.transcode_to::<FieldMask>().map_err(broken).map(|m| m.paths.join(",").into())
        }
        "google.protobuf.Struct" => {
            message.transcode_to().map_err(broken).map(|s| Json::Object(values::from_struct(s)))
        }
        "google.protobuf.Value" => message.transcode_to().map_err(broken).map(plain),
        "google.protobuf.ListValue" => message
            .transcode_to::<ListValue>()
            .map_err(broken)
            .map(|list| list.values.into_iter().map(plain).collect()),
        "google.protobuf.Empty" => Ok(Json::Object(Map::new())),
        _ => return None,
    })
}

fn plain(value: ProtoValue) -> Json {
    let wrapped = Struct { fields: [(String::new(), value)].into() };
    values::from_struct(wrapped).remove("").unwrap_or(Json::Null)
}
