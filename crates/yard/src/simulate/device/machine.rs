//! What commands change: a valve, how often it reports, a lamp to find it by.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::wire::{Order, Report};
use crate::simulate::blueprint::{FLOW, VALVE};

/// Commands whose outcome is remembered; a repetition is answered and not carried out again.
const REMEMBERED: usize = 1_000;

/// The device behind the connection.
#[derive(Debug)]
pub(in crate::simulate) struct Machine {
    /// Open by so many percent; `None` without a valve.
    valve: Option<f64>,
    /// Set by command; goes before the plan of the simulation.
    pub(super) interval: Option<Duration>,
    outcomes: HashMap<Uuid, Report>,
    order: VecDeque<Uuid>,
}

/// What a command leads to.
#[derive(Debug, PartialEq)]
pub(super) struct Reaction {
    /// To be reported now, in this order.
    pub(super) reports: Vec<Report>,
    /// To be reported after a while.
    pub(super) later: Option<(Duration, Report)>,
    /// Whether something was done, rather than refused or answered again.
    pub(super) carried_out: bool,
}

impl Machine {
    pub(in crate::simulate) fn new(has_valve: bool) -> Self {
        let valve = has_valve.then_some(100.0);
        Self { valve, interval: None, outcomes: HashMap::new(), order: VecDeque::new() }
    }

    /// What a sensor of this machine shows while the recording has `value`.
    pub(super) fn measure(&self, column: &str, value: f64) -> f64 {
        match self.valve {
            Some(open) if column == FLOW => (value * open).round() / 100.0,
            _ => value,
        }
    }

    /// Values that no recording has.
    pub(super) fn add_own(&self, values: &mut Map<String, Value>) {
        if let Some(open) = self.valve {
            values.insert(VALVE.to_owned(), open.into());
        }
    }

    /// Carries out a command, once.
    pub(super) fn obey(&mut self, order: &Order, now: OffsetDateTime) -> Reaction {
        if let Some(outcome) = self.outcomes.get(&order.command_id) {
            let reports = vec![outcome.clone()];
            return Reaction { reports, later: None, carried_out: false };
        }
        let step =
            |state| Report { command_id: order.command_id, state, result: None, reason: None };
        let late = order.deadline.is_some_and(|deadline| deadline <= now);
        let done = if late { Err("the deadline has passed") } else { self.act(order) };
        match done {
            Err(reason) => {
                let rejected = Report { reason: Some(reason), ..step("rejected") };
                self.remember(&rejected);
                let reports = vec![step("delivered"), rejected];
                Reaction { reports, later: None, carried_out: false }
            }
            Ok((takes, result)) => {
                let succeeded = Report { result: Some(result), ..step("succeeded") };
                self.remember(&succeeded);
                let mut reports = vec![step("delivered"), step("acked"), step("running")];
                let later = if takes.is_zero() {
                    reports.push(succeeded);
                    None
                } else {
                    Some((takes, succeeded))
                };
                Reaction { reports, later, carried_out: true }
            }
        }
    }

    /// How long it takes, and with what result.
    fn act(&mut self, order: &Order) -> Result<(Duration, Value), &'static str> {
        let number = |key: &str, low: f64, high: f64| {
            let value = order.arguments.get(key).and_then(Value::as_f64);
            value.filter(|value| (low..=high).contains(value)).ok_or("an argument is out of range")
        };
        match (order.name.as_str(), self.valve) {
            ("set_valve", Some(before)) => {
                let position = number("position", 0.0, 100.0)?;
                self.valve = Some(position);
                Ok((Duration::ZERO, json!({ "position": position, "before": before })))
            }
            ("set_report_interval", _) => {
                let seconds = number("seconds", 0.1, 86_400.0)?;
                self.interval = Some(Duration::from_secs_f64(seconds));
                Ok((Duration::ZERO, json!({ "seconds": seconds })))
            }
            ("identify", _) => {
                let seconds = number("seconds", 0.0, 60.0)?;
                Ok((Duration::from_secs_f64(seconds), json!({ "blinked_seconds": seconds })))
            }
            _ => Err("this device knows no such command"),
        }
    }

    fn remember(&mut self, outcome: &Report) {
        self.outcomes.insert(outcome.command_id, outcome.clone());
        self.order.push_back(outcome.command_id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.outcomes.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);

    fn order(id: u128, name: &str, arguments: &Value) -> Order {
        let deadline = Some(NOW + Duration::from_secs(60));
        let arguments = arguments.as_object().unwrap().clone();
        Order { command_id: Uuid::from_u128(id), name: name.to_owned(), arguments, deadline }
    }

    fn states(reaction: &Reaction) -> Vec<&str> {
        reaction.reports.iter().map(|report| report.state).collect()
    }

    #[test]
    fn set_valve_throttles_the_flow_that_is_measured() {
        let mut machine = Machine::new(true);
        assert_eq!(machine.measure(FLOW, 100.59), 100.59);
        let reaction = machine.obey(&order(1, "set_valve", &json!({"position": 40})), NOW);
        assert_eq!(states(&reaction), ["delivered", "acked", "running", "succeeded"]);
        assert_eq!(machine.measure(FLOW, 100.0), 40.0);
        let mut values = Map::new();
        machine.add_own(&mut values);
        assert_eq!(Value::Object(values), json!({"valve_pct": 40.0}));
    }

    #[test]
    fn command_repeated_is_answered_again_and_done_once() {
        let mut machine = Machine::new(true);
        machine.obey(&order(1, "set_valve", &json!({"position": 40})), NOW);
        machine.obey(&order(2, "set_valve", &json!({"position": 70})), NOW);
        let again = machine.obey(&order(1, "set_valve", &json!({"position": 40})), NOW);
        assert_eq!(states(&again), ["succeeded"]);
        assert!(!again.carried_out);
        assert_eq!(machine.measure(FLOW, 100.0), 70.0);
    }

    #[test]
    fn command_unknown_out_of_range_or_late_is_rejected_with_the_reason() {
        let mut machine = Machine::new(false);
        let mut late = order(3, "identify", &json!({"seconds": 1}));
        late.deadline = Some(NOW);
        for order in [
            order(1, "set_valve", &json!({"position": 40})),
            order(2, "set_report_interval", &json!({"seconds": 0})),
            late,
        ] {
            let reaction = machine.obey(&order, NOW);
            assert_eq!(states(&reaction), ["delivered", "rejected"], "{}", order.name);
            assert!(reaction.reports[1].reason.is_some());
        }
        assert_eq!(machine.interval, None);
    }

    #[test]
    fn identify_succeeds_after_its_time() {
        let reaction = Machine::new(false).obey(&order(1, "identify", &json!({"seconds": 2})), NOW);
        assert_eq!(states(&reaction), ["delivered", "acked", "running"]);
        let (wait, report) = reaction.later.unwrap();
        assert_eq!((wait, report.state), (Duration::from_secs(2), "succeeded"));
    }

    #[test]
    fn machine_forgets_the_oldest_outcomes_only() {
        let mut machine = Machine::new(false);
        for id in 0..=REMEMBERED as u128 {
            machine.obey(&order(id, "nonsense", &json!({})), NOW);
        }
        assert_eq!(machine.outcomes.len(), REMEMBERED);
        assert!(!machine.outcomes.contains_key(&Uuid::from_u128(0)));
    }
}
