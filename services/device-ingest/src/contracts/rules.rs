//! What a new contract has to fulfil.

use std::collections::HashSet;

use serde_json::Value;
use yard_contracts::device::v1::CreateContractRequest;
use yard_contracts::values::from_struct;
use yard_fault::{Code, Fault};

use super::schema::{compile, properties};
use super::{CommandKind, Metric};

const LARGEST_SCHEMA: usize = 64 * 1024;
const MOST_ENTRIES: usize = 100;
const LONGEST_LABEL: usize = 120;

/// A contract that may be stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NewContract {
    pub(super) name: String,
    pub(super) version: i32,
    pub(super) telemetry_schema: Value,
    pub(super) metrics: Vec<Metric>,
    pub(super) commands: Vec<CommandKind>,
}

impl NewContract {
    pub(super) fn of(request: CreateContractRequest) -> Result<Self, Fault> {
        let name = crate::devices::checked_name(&request.name, "/name")?;
        if request.version < 1 {
            return Err(Fault::invalid("version has to be 1 or more").with_pointer("/version"));
        }
        let telemetry_schema = request
            .telemetry_schema
            .ok_or_else(|| Fault::invalid("telemetry_schema is missing"))
            .map(|schema| Value::Object(from_struct(schema)))?;
        check_schema(&telemetry_schema, "/telemetry_schema")?;
        if request.metrics.len() > MOST_ENTRIES || request.commands.len() > MOST_ENTRIES {
            let text = format!("at most {MOST_ENTRIES} metrics and {MOST_ENTRIES} commands");
            return Err(Fault::invalid(text));
        }
        let metrics = metrics(request.metrics, &telemetry_schema)?;
        let commands = commands(request.commands)?;
        Ok(Self { name, version: request.version, telemetry_schema, metrics, commands })
    }
}

fn check_schema(schema: &Value, pointer: &str) -> Result<(), Fault> {
    let invalid = |text: String| {
        Fault::new(Code::ContractSchemaInvalid).with_pointer(pointer).with_public(text)
    };
    if schema.to_string().len() > LARGEST_SCHEMA {
        return Err(invalid("The schema is larger than 64 KiB.".to_owned()));
    }
    compile(schema).map(drop).map_err(|why| invalid(format!("The schema cannot be used: {why}")))
}

fn metrics(
    wanted: Vec<yard_contracts::device::v1::Metric>,
    schema: &Value,
) -> Result<Vec<Metric>, Fault> {
    let known = properties(schema);
    let mut seen = HashSet::new();
    let check = |(at, metric): (usize, yard_contracts::device::v1::Metric)| {
        let pointer = format!("/metrics/{at}/key");
        if !known.is_some_and(|properties| properties.contains_key(&metric.key)) {
            let text = format!("metric {} is no property of the schema", metric.key);
            return Err(Fault::invalid(text).with_pointer(pointer));
        }
        if !seen.insert(metric.key.clone()) {
            return Err(Fault::invalid("a metric is named twice").with_pointer(pointer));
        }
        check_label(&metric.label, &format!("/metrics/{at}/label"))?;
        check_label(&metric.unit, &format!("/metrics/{at}/unit"))?;
        Ok(Metric { key: metric.key, label: metric.label, unit: metric.unit })
    };
    wanted.into_iter().enumerate().map(check).collect()
}

fn commands(
    wanted: Vec<yard_contracts::device::v1::CommandKind>,
) -> Result<Vec<CommandKind>, Fault> {
    let mut seen = HashSet::new();
    let check = |(at, kind): (usize, yard_contracts::device::v1::CommandKind)| {
        let pointer = format!("/commands/{at}/name");
        if !is_command_name(&kind.name) {
            let text = "a command's name is lower-case words joined by underscores";
            return Err(Fault::invalid(text).with_pointer(pointer));
        }
        if !seen.insert(kind.name.clone()) {
            return Err(Fault::invalid("a command is named twice").with_pointer(pointer));
        }
        check_label(&kind.label, &format!("/commands/{at}/label"))?;
        let schema = Value::Object(from_struct(kind.arguments_schema.unwrap_or_default()));
        check_schema(&schema, &format!("/commands/{at}/arguments_schema"))?;
        Ok(CommandKind { name: kind.name, label: kind.label, arguments_schema: schema })
    };
    wanted.into_iter().enumerate().map(check).collect()
}

fn check_label(text: &str, pointer: &str) -> Result<(), Fault> {
    if text.chars().count() > LONGEST_LABEL || text.chars().any(char::is_control) {
        return Err(Fault::invalid("at most 120 characters on one line").with_pointer(pointer));
    }
    Ok(())
}

fn is_command_name(name: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.split('_').all(word)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use yard_contracts::device::v1 as wire;
    use yard_contracts::values::to_struct;

    use super::*;

    fn object(json: Value) -> prost_types::Struct {
        let Value::Object(object) = json else { unreachable!() };
        to_struct(object)
    }

    fn good() -> CreateContractRequest {
        CreateContractRequest {
            name: "pump".to_owned(),
            version: 1,
            telemetry_schema: Some(object(json!({
                "type": "object",
                "properties": {"flow": {"type": "number"}},
            }))),
            metrics: vec![wire::Metric {
                key: "flow".to_owned(),
                label: "Flow".to_owned(),
                unit: "L/s".to_owned(),
            }],
            commands: vec![wire::CommandKind {
                name: "set_valve".to_owned(),
                label: "Set the valve".to_owned(),
                arguments_schema: Some(object(json!({"type": "object"}))),
            }],
        }
    }

    #[test]
    fn complete_contract_is_taken() {
        NewContract::of(good()).unwrap();
    }

    #[test]
    fn contracts_that_contradict_themselves_are_refused_with_the_place() {
        type Change = fn(&mut CreateContractRequest);
        let cases: [(Change, &str); 8] = [
            (|c| c.name.clear(), "/name"),
            (|c| c.version = 0, "/version"),
            (|c| c.telemetry_schema = Some(object(json!({"type": 3}))), "/telemetry_schema"),
            (|c| "level".clone_into(&mut c.metrics[0].key), "/metrics/0/key"),
            (|c| c.metrics.push(c.metrics[0].clone()), "/metrics/1/key"),
            (|c| "Set Valve".clone_into(&mut c.commands[0].name), "/commands/0/name"),
            (|c| c.commands.push(c.commands[0].clone()), "/commands/1/name"),
            (
                |c| c.commands[0].arguments_schema = Some(object(json!({"type": "x"}))),
                "/commands/0/arguments_schema",
            ),
        ];
        for (change, pointer) in cases {
            let mut request = good();
            change(&mut request);
            assert_eq!(NewContract::of(request).unwrap_err().pointer(), Some(pointer));
        }
    }

    #[test]
    fn command_names_are_words_joined_by_underscores() {
        for (name, good) in [
            ("reboot", true),
            ("set_valve_2", true),
            ("", false),
            ("_a", false),
            ("a__b", false),
            ("a_", false),
            ("2a", false),
            ("setValve", false),
        ] {
            assert_eq!(is_command_name(name), good, "{name}");
        }
    }
}
