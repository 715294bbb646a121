//! Device → broker → device-ingest → stream → worker → committed row.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::{BenchArgs, rounded};
use crate::command;
use crate::fleet::{Fleet, Pace, Plan, Receipts};
use crate::interrupt::Interrupt;
use crate::numbers;
use crate::platform::Platform;
use crate::workspace::{Workspace, last_json};

const WARM_UP: Duration = Duration::from_secs(5);
// A flood leaves a queue behind, which must drain before anything may be called lost.
const DRAIN: Duration = Duration::from_secs(180);

pub(super) fn measure(
    workspace: &Workspace,
    platform: &mut Platform,
    args: &BenchArgs,
    interrupt: &Interrupt,
) -> Result<Value> {
    let plan = plan(args);
    let mut fleet = Fleet::start(platform, workspace, &plan)?;
    fleet.wait_connected(interrupt)?;
    pause(WARM_UP, interrupt)?;
    let from = numbers::now(platform)?;
    let before = times(platform, &fleet);
    pause(Duration::from_secs(args.seconds), interrupt)?;
    let to = numbers::now(platform)?;
    let after = times(platform, &fleet);
    fleet.stop()?;
    let verdict = fleet.verify(platform, DRAIN)?;
    let window = numbers::stored_between(platform, &from, &to)?;
    let floor = floor(workspace, platform, args, interrupt)?;

    let per_second = window.rows as f64 / args.seconds as f64;
    Ok(json!({
        "stored_per_second": per_second.round(),
        "stored_p50_ms": window.p50_ms,
        "stored_p99_ms": window.p99_ms,
        "floor_per_second": floor,
        "ratio_to_floor": rounded(per_second / floor as f64),
        "lost": verdict.lost,
        "duplicates": verdict.duplicates,
        "devices": plan.devices * 2,
        "cores_used": used(&before, &after, args.seconds as f64),
    }))
}

fn plan(args: &BenchArgs) -> Plan {
    let pace = args.rate.map_or(Pace::Flood, |rate| Pace::PerSecond(rate / 2.0));
    Plan { devices: args.devices.div_ceil(2), pace, receipts: Receipts::None }
}

/// The same devices against a subscriber that only counts, in the place of device-ingest.
fn floor(
    workspace: &Workspace,
    platform: &mut Platform,
    args: &BenchArgs,
    interrupt: &Interrupt,
) -> Result<u64> {
    // The fleet is mustered through device-ingest, so that goes away only afterwards.
    let mut fleet = Fleet::start(platform, workspace, &Plan { pace: Pace::Flood, ..plan(args) })?;
    fleet.wait_connected(interrupt)?;
    platform.crew.get("device-ingest")?.stop()?;
    let output = command::new(platform.program("yard-bench"), workspace.root())
        .args(["floor", "--mqtt-port", &platform.edge.mqtt_port().to_string(), "--pki"])
        .arg(platform.edge.pki())
        .args(["--seconds", &args.seconds.to_string()])
        .read();
    interrupt.check()?;
    fleet.stop()?;
    let figures = last_json(&output?)?;
    figures.get("per_second").and_then(Value::as_u64).context("the floor has no figure")
}

fn pause(time: Duration, interrupt: &Interrupt) -> Result<()> {
    thread::sleep(time);
    interrupt.check()
}

fn times(platform: &mut Platform, fleet: &Fleet) -> Map<String, Value> {
    let mut times = platform.cpu_seconds();
    times.insert("devices".to_owned(), fleet.cpu_seconds().into());
    times
}

/// Processors kept busy by each process, on average.
fn used(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    seconds: f64,
) -> Map<String, Value> {
    let number = |map: &Map<String, Value>, key: &str| map.get(key).and_then(Value::as_f64);
    let each = after.keys().filter_map(|key| {
        let spent = number(after, key)? - number(before, key)?;
        Some((key.clone(), rounded(spent / seconds).into()))
    });
    each.collect()
}
