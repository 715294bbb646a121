//! What our plugin costs the broker: the same senders and the same counting subscriber on Mosquitto
//! with the plugin and without, in turn.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use yard_stack::tools::broker_plugin;
use yard_stack::{Mosquitto, ServerHome, Tools};

use super::{BenchArgs, rounded};
use crate::workspace::{Workspace, last_json};
use crate::{command, say};

// Each twice and in turn, so that what else the machine does falls on both.
const ROUNDS: usize = 4;

/// One run.
struct Run {
    per_second: f64,
    /// The broker's processor time, microseconds for each message in and out.
    cpu_micros: f64,
}

pub(super) fn measure(workspace: &Workspace, args: &BenchArgs) -> Result<Value> {
    let progress = &mut |line: &str| say::note(format!("    {line}"));
    let tools = Tools::find_or_install(&workspace.tool_cache(), progress)?;
    say::step("building the senders", || {
        let build = command::cargo(workspace.root()).args(["build", "--package", "yard-bench"]);
        let build = build.args(["--package", "yard"]);
        if args.debug { build } else { build.arg("--release") }.run()
    })?;
    let plugin = broker_plugin(workspace.root(), workspace.target())?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let plugged = round % 2 == 0;
        let name = if plugged { "with the plugin" } else { "without it" };
        let run = say::step(name, || {
            let home = ServerHome::throwaway()?;
            let pki = home.folder("pki")?;
            command::new(workspace.binary("yard", !args.debug), workspace.root())
                .args(["pki", "init", "--broker-host", "localhost", "--force", "--dir"])
                .arg(&pki)
                .quiet()?;
            let broker = if plugged {
                Mosquitto::start(&tools, &home, &pki, &plugin)?
            } else {
                Mosquitto::start_bare(&tools, &home, &pki)?
            };
            one(workspace, args, broker, &pki)
        })?;
        if plugged { with.push(run) } else { without.push(run) }
    }
    let (with, without) = (best(&with), best(&without));
    Ok(json!({
        "per_second": with.per_second,
        "per_second_without": without.per_second,
        "ratio": rounded(with.per_second / without.per_second),
        "cpu_micros_per_message": rounded(with.cpu_micros),
        "cpu_micros_without": rounded(without.cpu_micros),
        "cpu_ratio": rounded(with.cpu_micros / without.cpu_micros),
    }))
}

fn one(
    workspace: &Workspace,
    args: &BenchArgs,
    mut broker: Mosquitto,
    pki: &std::path::Path,
) -> Result<Run> {
    let before = broker.process().cpu_seconds();
    let output = command::new(workspace.binary("yard-bench", !args.debug), workspace.root())
        .args(["broker", "--mqtt-port", &broker.port().to_string(), "--pki"])
        .arg(pki)
        .args(["--seconds", &args.seconds.to_string()])
        .read()?;
    let spent = broker.process().cpu_seconds() - before;
    let figures = last_json(&output)?;
    let number = |key: &str| figures.get(key).and_then(Value::as_f64).context("no figure");
    Ok(Run {
        per_second: number("per_second")?,
        cpu_micros: spent * 1_000_000.0 / number("counted")?,
    })
}

/// The run that the rest of the machine disturbed least.
fn best(runs: &[Run]) -> Run {
    let least = |value: fn(&Run) -> f64| runs.iter().map(value).fold(f64::MAX, f64::min);
    Run { per_second: -least(|run| -run.per_second), cpu_micros: least(|run| run.cpu_micros) }
}
