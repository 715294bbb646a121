//! What the shipped measurements are measurements of: their contracts, with units and ranges.

use serde_json::{Map, Value, json};

use crate::api::{CommandKind, ContractDraft, Metric};

const SCHEMA: &str = "https://json-schema.org/draft/2020-12/schema";

/// The valve's position as it stands in a reading.
pub(super) const VALVE: &str = "valve_pct";
/// The flow that a valve throttles.
pub(super) const FLOW: &str = "flow_lps";

/// A kind of device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blueprint {
    /// Name of the contract when the caller gives none.
    pub(super) contract: &'static str,
    /// Devices are called by it and a number.
    pub(super) device: &'static str,
    columns: Vec<String>,
}

struct Known {
    key: &'static str,
    label: &'static str,
    unit: &'static str,
    range: (f64, f64),
}

/// Ranges are what such a sensor can show at all, not what was measured.
const KNOWN: [Known; 6] = [
    known(FLOW, "Flow", "L/s", (0.0, 500.0)),
    known(VALVE, "Valve position", "%", (0.0, 100.0)),
    known("temperature_c", "Temperature", "Cel", (-40.0, 85.0)),
    known("humidity_pct", "Relative humidity", "%", (0.0, 100.0)),
    known("light_lux", "Light", "lx", (0.0, 200_000.0)),
    known("co2_ppm", "CO2", "[ppm]", (0.0, 10_000.0)),
];

const fn known(
    key: &'static str,
    label: &'static str,
    unit: &'static str,
    range: (f64, f64),
) -> Known {
    Known { key, label, unit, range }
}

impl Blueprint {
    /// By the columns of a recording; columns nobody knows become plain numbers.
    pub(super) fn of(columns: &[String]) -> Self {
        let has = |key: &str| columns.iter().any(|column| column == key);
        let (contract, device) = match () {
            () if has(FLOW) => ("water-flow", "Branch meter"),
            () if has("temperature_c") => ("room-climate", "Room sensor"),
            () => ("recorded-values", "Recorder"),
        };
        let mut columns = columns.to_vec();
        if has(FLOW) {
            columns.push(VALVE.to_owned());
        }
        Self { contract, device, columns }
    }

    /// Name of the device with a number, counted from 1.
    pub(super) fn device_name(&self, number: usize) -> String {
        format!("{} {number:03}", self.device)
    }

    /// Whether the device has a valve.
    pub(super) fn has_valve(&self) -> bool {
        self.columns.iter().any(|column| column == VALVE)
    }

    /// Version 1 of its contract.
    pub(super) fn draft(&self, name: &str) -> ContractDraft {
        ContractDraft {
            name: name.to_owned(),
            version: 1,
            telemetry_schema: self.telemetry_schema(),
            metrics: self.columns.iter().map(|column| metric(column)).collect(),
            commands: self.commands(),
        }
    }

    fn telemetry_schema(&self) -> Value {
        let properties: Map<_, _> =
            self.columns.iter().map(|column| (column.clone(), property(column))).collect();
        json!({
            "$schema": SCHEMA,
            "type": "object",
            "properties": properties,
            "minProperties": 1,
            "additionalProperties": false,
        })
    }

    fn commands(&self) -> Vec<CommandKind> {
        let interval =
            kind("set_report_interval", "Set report interval", "seconds", (0.1, 86_400.0));
        let identify = kind("identify", "Identify", "seconds", (0.0, 60.0));
        let valve = kind("set_valve", "Set valve", "position", (0.0, 100.0));
        let valve = self.has_valve().then_some(valve);
        valve.into_iter().chain([interval, identify]).collect()
    }
}

fn metric(column: &str) -> Metric {
    let known = KNOWN.iter().find(|known| known.key == column);
    let (label, unit) = known.map_or((column, ""), |known| (known.label, known.unit));
    Metric { key: column.to_owned(), label: label.to_owned(), unit: unit.to_owned() }
}

fn property(column: &str) -> Value {
    match KNOWN.iter().find(|known| known.key == column) {
        Some(Known { range: (low, high), .. }) => {
            json!({ "type": "number", "minimum": low, "maximum": high })
        }
        None => json!({ "type": "number" }),
    }
}

fn kind(name: &str, label: &str, argument: &str, (low, high): (f64, f64)) -> CommandKind {
    let argument_schema = json!({ "type": "number", "minimum": low, "maximum": high });
    CommandKind {
        name: name.to_owned(),
        label: label.to_owned(),
        arguments_schema: json!({
            "$schema": SCHEMA,
            "type": "object",
            "properties": { argument: argument_schema },
            "required": [argument],
            "additionalProperties": false,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blueprint(columns: &[&str]) -> Blueprint {
        let columns: Vec<_> = columns.iter().map(|c| (*c).to_owned()).collect();
        Blueprint::of(&columns)
    }

    #[test]
    fn water_meter_has_a_valve_and_names_in_order() {
        let water = blueprint(&["flow_lps"]);
        let draft = water.draft("water-flow");
        let metrics: Vec<_> =
            draft.metrics.iter().map(|m| (m.key.as_str(), m.unit.as_str())).collect();
        assert_eq!(metrics, [("flow_lps", "L/s"), ("valve_pct", "%")]);
        let commands: Vec<_> = draft.commands.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(commands, ["set_valve", "set_report_interval", "identify"]);
        assert_eq!(water.device_name(7), "Branch meter 007");
    }

    #[test]
    fn every_metric_is_a_number_of_the_schema() {
        let room = ["temperature_c", "humidity_pct", "light_lux", "co2_ppm"];
        for columns in [["flow_lps"].as_slice(), &room, &["unheard_of"]] {
            let draft = blueprint(columns).draft("x");
            for metric in &draft.metrics {
                let kind = &draft.telemetry_schema["properties"][&metric.key]["type"];
                assert_eq!(kind, "number", "{}", metric.key);
            }
        }
    }
}
