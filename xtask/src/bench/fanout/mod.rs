//! From the HTTP API to many sockets: comms-websocket with its engines, and in the same run a bare
//! broadcaster (the floor), both under the same load client in a process of its own.

mod servers;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use yard_stack::Tools;

use super::{BenchArgs, rounded};
use crate::interrupt::Interrupt;
use crate::workspace::{self, Workspace};
use crate::{command, say};
use servers::{Servers, Who};

/// Publishers, subscribers, bytes, and messages a second where it is not full speed.
const SPREADS: [(u32, u32, u32, Option<u32>); 8] = [
    (1, 1_000, 128, None),
    (1, 1_000, 128, Some(25)),
    (1, 1_000, 1_024, None),
    (1, 1_000, 1_024, Some(25)),
    (10, 10_000, 128, None),
    (10, 10_000, 128, Some(25)),
    (10, 10_000, 1_024, None),
    (10, 10_000, 1_024, Some(25)),
];

pub(super) fn measure(workspace: &Workspace, args: &BenchArgs) -> Result<Value> {
    let interrupt = Interrupt::install()?;
    let progress = &mut |line: &str| say::note(format!("    {line}"));
    let tools = Tools::find_or_install(&workspace.tool_cache(), progress)?;
    let release = !args.debug;
    if !args.built {
        build(workspace, release)?;
    }
    raise_files()?;
    let mut servers = Servers::start(workspace, &tools, &interrupt, release)?;
    let mut run = |name: &str, scenario: &str| -> Result<[Value; 2]> {
        let words: Vec<String> = scenario.split(' ').map(str::to_owned).collect();
        let mut figures = [Value::Null, Value::Null];
        for (figures, who) in figures.iter_mut().zip([Who::Service, Who::Floor]) {
            interrupt.check()?;
            *figures = say::step(&format!("{name}, {who:?}"), || {
                if name == "idle" {
                    servers.refresh(who)?;
                }
                servers.measure(who, &words)
            })?;
            say::note(format!("    {figures}"));
        }
        Ok(figures)
    };
    let idle = run("idle", "idle")?;
    let opens = run("opens", "opens")?;
    let seconds = args.seconds;
    let mut spreads = Vec::new();
    for (publishers, subscribers, bytes, rate) in SPREADS {
        let mut words = format!(
            "spread --publishers {publishers} --subscribers {subscribers} --bytes {bytes} \
             --seconds {seconds}"
        );
        if let Some(rate) = rate {
            words.push_str(&format!(" --rate {rate}"));
        }
        spreads.push(run(&format!("{publishers} to {subscribers}"), &words)?);
    }
    let talk = run("client events", &format!("talk --seconds {seconds}"))?;
    let storm = run("storm", "storm")?;
    let alone = run("storm, a channel each", "storm --channels 5000")?;
    summary(&idle, &opens, &spreads, &talk, [&storm, &alone])
}

/// The figures of the bars on top, everything below.
fn summary(
    idle: &[Value; 2],
    opens: &[Value; 2],
    spreads: &[[Value; 2]],
    talk: &[Value; 2],
    [storm, alone]: [&[Value; 2]; 2],
) -> Result<Value> {
    let [full, paced, ..] = spreads else { anyhow::bail!("no fan-out was measured") };
    let (of_full, floor) = (number(&full[0], "delivered_per_second")?, &full[1]);
    let most = idle[0].get("idle").and_then(Value::as_array).into_iter().flatten();
    let most = most.filter_map(|one| one.get("kib_per_connection")?.as_f64()).fold(0.0, f64::max);
    let lost: f64 = spreads
        .iter()
        .chain([talk])
        .flat_map(|[service, _]| ["lost", "misplaced"].map(|name| number(service, name)))
        .sum::<Result<f64>>()?;
    Ok(json!({
        "delivered_per_second": of_full,
        "p50_ms": number(&paced[0], "p50_ms")?,
        "p99_ms": number(&paced[0], "p99_ms")?,
        "cpu_us_per_delivery": number(&full[0], "cpu_us_per_delivery")?,
        "cpu_us_per_delivery_at_rate": number(&paced[0], "cpu_us_per_delivery")?,
        "kib_per_connection": most,
        "opens_per_second": number(&opens[0], "opens_per_second")?,
        "client_events_per_second": number(&talk[0], "client_events_per_second")?,
        "storm_per_second": number(&storm[0], "storm_per_second")?,
        "ratio_to_floor": rounded(of_full / number(floor, "delivered_per_second")?),
        "lost_or_misplaced": lost,
        "service": detail(0, idle, opens, spreads, talk, [storm, alone]),
        "floor": detail(1, idle, opens, spreads, talk, [storm, alone]),
    }))
}

fn detail(
    who: usize,
    idle: &[Value; 2],
    opens: &[Value; 2],
    spreads: &[[Value; 2]],
    talk: &[Value; 2],
    [storm, alone]: [&[Value; 2]; 2],
) -> Map<String, Value> {
    let of = |both: &[Value; 2]| both.get(who).cloned().unwrap_or_default();
    [
        ("idle", of(idle)),
        ("opens", of(opens)),
        ("fanout", spreads.iter().map(of).collect()),
        ("client_events", of(talk)),
        ("storm", of(storm)),
        ("storm_with_a_channel_each", of(alone)),
    ]
    .into_iter()
    .map(|(name, figures)| (name.to_owned(), figures))
    .collect()
}

fn number(figures: &Value, name: &str) -> Result<f64> {
    figures.get(name).and_then(Value::as_f64).with_context(|| format!("no figure {name}"))
}

fn build(workspace: &Workspace, release: bool) -> Result<()> {
    say::step("building comms-websocket and the load client", || {
        let cargo = command::cargo(workspace.root()).args(["build", "--bins"]);
        let cargo = ["comms-websocket", "yard-bench", "yard", "yard-migrations"]
            .iter()
            .fold(cargo, |cargo, package| cargo.args(["--package", package]));
        if release { cargo.arg("--release") } else { cargo }.run()
    })
}

/// Lets this process and its children open as many files as they may: a socket is one in the server
/// and one in the client.
fn raise_files() -> Result<()> {
    let limits = workspace::read("/proc/self/limits".as_ref())?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let most = line.and_then(|line| line.split_whitespace().nth(4)).context("no limit is told")?;
    command::new("prlimit", "/".as_ref())
        .args(["--pid", &std::process::id().to_string(), &format!("--nofile={most}:{most}")])
        .quiet()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(service: &Value, floor: &Value) -> [Value; 2] {
        [service.clone(), floor.clone()]
    }

    #[test]
    fn summary_has_every_figure_of_the_bars_and_the_ratio() {
        let idle =
            json!({ "idle": [{ "kib_per_connection": 3.5 }, { "kib_per_connection": 3.0 }] });
        let opens = json!({ "opens_per_second": 9.0 });
        let spread = |rate: f64| {
            json!({ "delivered_per_second": rate, "p50_ms": 1.0, "p99_ms": 2.0,
                    "cpu_us_per_delivery": 3.0, "lost": 0, "misplaced": 0 })
        };
        let talk = json!({ "client_events_per_second": 7.0, "lost": 0, "misplaced": 1 });
        let storm = json!({ "storm_per_second": 5.0 });
        let spreads = vec![both(&spread(80.0), &spread(100.0)), both(&spread(1.0), &spread(1.0))];
        let storms = both(&storm, &storm);
        let all = summary(
            &both(&idle, &idle),
            &both(&opens, &opens),
            &spreads,
            &both(&talk, &talk),
            [&storms, &storms],
        )
        .unwrap();
        for (name, expected) in [
            ("delivered_per_second", 80.0),
            ("p50_ms", 1.0),
            ("p99_ms", 2.0),
            ("cpu_us_per_delivery", 3.0),
            ("kib_per_connection", 3.5),
            ("opens_per_second", 9.0),
            ("client_events_per_second", 7.0),
            ("storm_per_second", 5.0),
            ("ratio_to_floor", 0.8),
            ("lost_or_misplaced", 1.0),
        ] {
            assert!((number(&all, name).unwrap() - expected).abs() < f64::EPSILON, "{name}");
        }
        let two = all.get("service").and_then(|of| of.get("fanout")).and_then(Value::as_array);
        assert_eq!(two.map(Vec::len), Some(2));
    }
}
