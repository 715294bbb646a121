//! JSON Schema 2020-12, compiled once for each contract version.

use std::collections::HashMap;

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};
use yard_fault::Code;
use yard_ids::ContractId;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Most characters of what is said about a violation.
const LONGEST_DETAIL: usize = 300;

/// A contract as the hot path needs it.
#[derive(Debug)]
pub(crate) struct CompiledContract {
    pub(crate) id: ContractId,
    telemetry: Validator,
    commands: HashMap<String, Validator>,
}

/// Where and how a value leaves its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) kind: ViolationKind,
    /// JSON pointer below the value that was checked.
    pub(crate) pointer: String,
    pub(crate) detail: String,
}

/// The kinds of violation that senders can tell apart; the first of several is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ViolationKind {
    Type,
    Missing,
    Unknown,
    Range,
    Other,
}

impl ViolationKind {
    /// The code for a reading.
    pub(crate) const fn telemetry_code(self) -> Code {
        match self {
            Self::Type => Code::TelemetryTypeMismatch,
            Self::Missing => Code::TelemetryMissingField,
            Self::Unknown => Code::TelemetryUnknownField,
            Self::Range => Code::TelemetryOutOfRange,
            Self::Other => Code::TelemetryContractViolated,
        }
    }
}

/// Compiles a schema. It can refer to nothing outside itself, and its patterns run in linear time.
pub(crate) fn compile(schema: &Value) -> Result<Validator, String> {
    if !schema.is_object() {
        return Err("has to be an object".to_owned());
    }
    match schema.get("$schema") {
        None => {}
        Some(Value::String(dialect)) if dialect.trim_end_matches('#') == DIALECT => {}
        Some(_) => return Err(format!("$schema has to be {DIALECT}")),
    }
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex())
        .should_validate_formats(true)
        .build(schema)
        .map_err(|error| shorten(&error.to_string()))
}

impl CompiledContract {
    pub(crate) fn new(
        id: ContractId,
        telemetry: &Value,
        commands: &[(String, Value)],
    ) -> Result<Self, String> {
        let compiled = commands
            .iter()
            .map(|(name, schema)| Ok((name.clone(), compile(schema)?)))
            .collect::<Result<_, String>>()?;
        Ok(Self { id, telemetry: compile(telemetry)?, commands: compiled })
    }

    /// Checks the values of a reading.
    pub(crate) fn check_values(&self, values: &Value) -> Result<(), Violation> {
        check(&self.telemetry, values)
    }

    /// Checks the arguments of a command; `None` when there is no such command.
    pub(crate) fn check_arguments(
        &self,
        command: &str,
        arguments: &Value,
    ) -> Option<Result<(), Violation>> {
        self.commands.get(command).map(|validator| check(validator, arguments))
    }
}

fn check(validator: &Validator, value: &Value) -> Result<(), Violation> {
    if validator.is_valid(value) {
        return Ok(());
    }
    let worst = validator.iter_errors(value).map(|error| violation(&error)).min_by_key(|v| v.kind);
    // A validator that finds it invalid without a reason would be a fault of the library.
    Err(worst.unwrap_or_else(|| Violation {
        kind: ViolationKind::Other,
        pointer: String::new(),
        detail: "does not fit".to_owned(),
    }))
}

fn violation(error: &ValidationError<'_>) -> Violation {
    let kind = kind_of(error.kind());
    let mut pointer = error.instance_path().as_str().to_owned();
    let named = match error.kind() {
        Kind::Required { property } => property.as_str(),
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            unexpected.first().map(String::as_str)
        }
        _ => None,
    };
    if let Some(property) = named {
        pointer.push('/');
        pointer.push_str(&escape(property));
    }
    Violation { kind, pointer, detail: shorten(&error.to_string()) }
}

const fn kind_of(kind: &Kind) -> ViolationKind {
    match kind {
        Kind::Type { .. } => ViolationKind::Type,
        Kind::Required { .. } => ViolationKind::Missing,
        Kind::AdditionalProperties { .. }
        | Kind::UnevaluatedProperties { .. }
        | Kind::FalseSchema => ViolationKind::Unknown,
        Kind::Minimum { .. }
        | Kind::Maximum { .. }
        | Kind::ExclusiveMinimum { .. }
        | Kind::ExclusiveMaximum { .. }
        | Kind::MultipleOf { .. }
        | Kind::MinLength { .. }
        | Kind::MaxLength { .. }
        | Kind::MinItems { .. }
        | Kind::MaxItems { .. }
        | Kind::Constant { .. }
        | Kind::Enum { .. } => ViolationKind::Range,
        _ => ViolationKind::Other,
    }
}

/// RFC 6901.
pub(crate) fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// One line, cut at a sensible length.
pub(crate) fn shorten(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(LONGEST_DETAIL).collect()
}

/// The properties that a schema names at its top.
pub(crate) fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties").and_then(Value::as_object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn broken(schema: &Value, value: &Value) -> (ViolationKind, String) {
        let contract =
            CompiledContract::new(ContractId::from_uuid(uuid::Uuid::nil()), schema, &[]).unwrap();
        let violation = contract.check_values(value).unwrap_err();
        (violation.kind, violation.pointer)
    }

    #[test]
    fn violations_name_their_kind_and_place() {
        let schema = json!({
            "type": "object",
            "properties": {
                "flow": {"type": "number", "minimum": 0, "maximum": 10},
                "state": {"enum": ["on", "off"]},
                "tag": {"type": "string", "pattern": "^[a-z]+$"},
                "deep": {"type": "object", "properties": {"a/b": {"type": "integer"}}},
            },
            "required": ["flow"],
            "additionalProperties": false,
        });
        for (value, kind, pointer) in [
            (json!({"flow": "1"}), ViolationKind::Type, "/flow"),
            (json!({}), ViolationKind::Missing, "/flow"),
            (json!({"flow": 1, "other": 2}), ViolationKind::Unknown, "/other"),
            (json!({"flow": -0.1}), ViolationKind::Range, "/flow"),
            (json!({"flow": 10.1}), ViolationKind::Range, "/flow"),
            (json!({"flow": 1, "state": "blue"}), ViolationKind::Range, "/state"),
            (json!({"flow": 1, "tag": "A"}), ViolationKind::Other, "/tag"),
            (json!({"flow": 1, "deep": {"a/b": 1.5}}), ViolationKind::Type, "/deep/a~1b"),
            (json!({"flow": true, "other": 2}), ViolationKind::Type, "/flow"),
        ] {
            assert_eq!(broken(&schema, &value), (kind, pointer.to_owned()), "{value}");
        }
    }

    #[test]
    fn schemas_that_reach_outside_or_are_no_schema_are_refused() {
        for schema in [
            json!({"$ref": "https://example.com/other.json"}),
            json!({"$ref": "file:///etc/passwd"}),
            json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
            json!({"type": "decimal"}),
            json!({"properties": {"a": {"pattern": "("}}}),
            json!(true),
        ] {
            assert!(compile(&schema).is_err(), "{schema}");
        }
        compile(&json!({"$schema": DIALECT, "type": "object"})).unwrap();
    }
}
