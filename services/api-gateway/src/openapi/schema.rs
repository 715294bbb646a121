//! JSON Schemas of messages. A message in an answer always has its scalars and arrays, so they are
//! required there; nothing is required of a request, and nothing else is allowed in it.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::comments::Comments;

/// Fields that hold a UUID in every request.
const UUID_FIELDS: [&str; 7] =
    ["command_id", "contract_id", "device_id", "fire_id", "job_id", "message_id", "principal_id"];

/// Which way a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Request,
    Response,
}

/// Collects the components that operations refer to.
pub(super) struct Schemas<'c> {
    comments: &'c Comments,
    /// Full names of messages that some answer holds; their request form has another name.
    answered: BTreeSet<String>,
    components: BTreeMap<String, Value>,
}

impl<'c> Schemas<'c> {
    pub(super) fn new(
        comments: &'c Comments,
        answers: impl Iterator<Item = MessageDescriptor>,
    ) -> Self {
        let mut answered = BTreeSet::new();
        let mut waiting: Vec<_> = answers.collect();
        while let Some(message) = waiting.pop() {
            if answered.insert(message.full_name().to_owned()) {
                waiting.extend(message.fields().filter_map(|f| message_of(&f)));
            }
        }
        Self { comments, answered, components: BTreeMap::new() }
    }

    pub(super) fn into_components(self) -> Map<String, Value> {
        self.components.into_iter().collect()
    }

    /// A reference to a message's component, which is made on the way.
    pub(super) fn reference(&mut self, message: &MessageDescriptor, way: Way) -> Value {
        if let Some(schema) = well_known(message.full_name()) {
            return schema;
        }
        let both = way == Way::Request && self.answered.contains(message.full_name());
        let name = format!("{}{}", message.name(), if both { "Input" } else { "" });
        if !self.components.contains_key(&name) {
            // Stands in for itself while its fields are made, so that recursion ends.
            self.components.insert(name.clone(), Value::Null);
            let schema = self.object(message, way, &[]);
            self.components.insert(name.clone(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// A message's schema without the fields of these names.
    pub(super) fn object(
        &mut self,
        message: &MessageDescriptor,
        way: Way,
        without: &[&str],
    ) -> Value {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for field in message.fields().filter(|f| !without.contains(&f.name())) {
            if way == Way::Response && !field.supports_presence() {
                required.push(field.name().to_owned());
            }
            properties.insert(field.name().to_owned(), self.field(&field, way));
        }
        let mut schema = json!({ "type": "object", "properties": properties });
        if !required.is_empty() {
            required.sort();
            schema["required"] = json!(required);
        }
        if way == Way::Request {
            schema["additionalProperties"] = json!(false);
        }
        self.describe(schema, &message.parent_file(), message.path())
    }

    /// A field with its comment.
    pub(super) fn field(&mut self, field: &FieldDescriptor, way: Way) -> Value {
        let schema = if field.is_map() {
            let values = message_of(field).map(|entry| entry.map_entry_value_field());
            let values = values.map_or_else(|| json!({}), |value| self.one(&value, way));
            json!({ "type": "object", "additionalProperties": values })
        } else if field.is_list() {
            json!({ "type": "array", "items": self.one(field, way) })
        } else {
            self.one(field, way)
        };
        self.describe(schema, &field.parent_message().parent_file(), field.path())
    }

    fn describe(
        &self,
        mut schema: Value,
        file: &prost_reflect::FileDescriptor,
        path: &[i32],
    ) -> Value {
        if let Some(comment) = self.comments.at(file, path) {
            schema["description"] = json!(comment);
        }
        schema
    }

    fn one(&mut self, field: &FieldDescriptor, way: Way) -> Value {
        match field.kind() {
            Kind::Message(message) => self.reference(&message, way),
            Kind::Enum(choice) => self.choice(&choice),
            Kind::String if way == Way::Request && UUID_FIELDS.contains(&field.name()) => {
                json!({ "type": "string", "format": "uuid" })
            }
            kind => scalar(&kind),
        }
    }

    fn choice(&mut self, choice: &EnumDescriptor) -> Value {
        let name = choice.name().to_owned();
        if !self.components.contains_key(&name) {
            let names: Vec<_> = choice.values().map(|v| v.name().to_owned()).collect();
            let schema = json!({ "type": "string", "enum": names });
            let mut lines: Vec<_> = self
                .comments
                .at(&choice.parent_file(), choice.path())
                .into_iter()
                .map(str::to_owned)
                .collect();
            for value in choice.values() {
                if let Some(text) = self.comments.at(&choice.parent_file(), value.path()) {
                    lines.push(format!("- `{}`: {}", value.name(), text.replace('\n', " ")));
                }
            }
            let mut schema = schema;
            if !lines.is_empty() {
                schema["description"] = json!(lines.join("\n"));
            }
            self.components.insert(name.clone(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }
}

fn message_of(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(message) => Some(message),
        _ => None,
    }
}

/// The JSON form of `google.protobuf` messages.
pub(super) fn well_known(name: &str) -> Option<Value> {
    Some(match name {
        "google.protobuf.Timestamp" => json!({ "type": "string", "format": "date-time" }),
        "google.protobuf.FieldMask" => json!({
            "type": "string",
            "pattern": "^[a-z0-9_.]+(,[a-z0-9_.]+)*$",
        }),
        "google.protobuf.Struct" => json!({ "type": "object", "additionalProperties": true }),
        "google.protobuf.ListValue" => json!({ "type": "array", "items": {} }),
        "google.protobuf.Value" => json!({}),
        "google.protobuf.Empty" => json!({ "type": "object", "additionalProperties": false }),
        _ => return None,
    })
}

fn scalar(kind: &Kind) -> Value {
    match kind {
        Kind::Double => json!({ "type": "number", "format": "double" }),
        Kind::Float => json!({ "type": "number", "format": "float" }),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            json!({ "type": "integer", "format": "int32" })
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            json!({ "type": "integer", "format": "int64" })
        }
        Kind::Uint32 | Kind::Fixed32 => {
            json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
        }
        Kind::Uint64 | Kind::Fixed64 => {
            json!({ "type": "integer", "format": "int64", "minimum": 0 })
        }
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Bytes => json!({ "type": "string", "format": "byte", "contentEncoding": "base64" }),
        Kind::String | Kind::Message(_) | Kind::Enum(_) => json!({ "type": "string" }),
    }
}
