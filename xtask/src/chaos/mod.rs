//! `cargo xtask chaos`: kills every process of the platform in turn under load and counts what was
//! lost.
//!
//! First every service, NATS and PostgreSQL: whatever a device's broker had acknowledged must be
//! stored exactly once. Then, in a run of its own, the broker: it acknowledges before anybody else
//! knows of a reading, so what it had not yet written down is lost with it. That loss is measured,
//! and the devices that wait for storage receipts must not see it.
//!
//! Meanwhile a person makes one thing after the other: what took effect has to be in the audit trail.

mod acts;

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use serde_json::json;
use yard_stack::process::Process;
use yard_stack::{Durability, Tools};

use acts::Acts;

use crate::fleet::{Fleet, Pace, Plan, Receipts};
use crate::interrupt::Interrupt;
use crate::platform::{self, Platform, Settings};
use crate::say;
use crate::workspace::Workspace;

// Load before a kill, absence after it, load after the restart.
const BEFORE: Duration = Duration::from_secs(3);
const ABSENT: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_secs(3);
const SETTLE: Duration = Duration::from_secs(90);
const BROKER: &str = "mosquitto";

/// How hard to try.
#[derive(Debug, Args)]
pub(crate) struct ChaosArgs {
    /// Print the figures as one JSON object on the last line of standard output.
    #[arg(long)]
    json: bool,
    /// Devices of both tenants together.
    #[arg(long, default_value_t = 200)]
    devices: u32,
    /// Readings per second of all devices together.
    #[arg(long, default_value_t = 200.0)]
    rate: f64,
    /// Optimised builds.
    #[arg(long)]
    release: bool,
}

impl ChaosArgs {
    /// As the command without options, on the build that the tests use.
    pub(crate) const fn for_test() -> Self {
        Self { json: false, devices: 200, rate: 200.0, release: false }
    }
}

/// Runs both parts and fails when something is lost that must not be.
pub(crate) fn run(workspace: &Workspace, args: &ChaosArgs) -> Result<()> {
    let interrupt = Interrupt::install()?;
    let progress = &mut |line: &str| say::note(format!("    {line}"));
    let tools = Tools::find_or_install(&workspace.tool_cache(), progress)?;
    platform::build(workspace, args.release)?;
    let settings = Settings {
        dir: workspace.join(".switchyard-chaos"),
        keep: false,
        release: args.release,
        usual_ports: false,
        durability: Durability::Kept,
    };
    let mut platform = Platform::start(workspace, &tools, &settings, &interrupt)?;
    let outcome = both_parts(workspace, &mut platform, args, &interrupt);
    platform.stop();
    outcome
}

fn both_parts(
    workspace: &Workspace,
    platform: &mut Platform,
    args: &ChaosArgs,
    interrupt: &Interrupt,
) -> Result<()> {
    let plan = Plan {
        devices: args.devices.div_ceil(2),
        pace: Pace::PerSecond(args.rate / 2.0),
        receipts: Receipts::SecondTenant,
    };
    let mut victims = platform.crew.names();
    victims.extend(["nats".to_owned(), "postgres".to_owned()]);
    let mut restarts = BTreeMap::new();

    let mut fleet = Fleet::start(platform, workspace, &plan)?;
    fleet.wait_connected(interrupt)?;
    let acts = Acts::start(platform)?;
    for victim in &victims {
        restarts.insert(victim.clone(), strike(platform, victim, interrupt)?);
    }
    fleet.stop()?;
    let acts = acts.settle(platform, interrupt)?;
    say::note(format!("  the audit trail: {acts}"));
    let calm = fleet.verify(platform, SETTLE)?;
    say::note(format!("  without the broker: {calm:?}"));

    let mut fleet = Fleet::start(platform, workspace, &plan)?;
    fleet.wait_connected(interrupt)?;
    restarts.insert(BROKER.to_owned(), strike(platform, BROKER, interrupt)?);
    fleet.stop()?;
    let all = fleet.verify(platform, SETTLE)?;
    say::note(format!("  with the broker: {all:?}"));

    let figures = json!({
        "kills": restarts.len(),
        "acked": all.acked,
        "stored": all.stored,
        "lost": calm.lost,
        "duplicates": all.duplicates,
        "out_of_order": all.out_of_order,
        "broker_loss": all.lost.saturating_sub(calm.lost),
        "receipts_lost": all.receipts_lost,
        "audit": acts,
        "seconds_to_ready": restarts,
    });
    if args.json {
        say::out(&figures);
    } else {
        say::note(format!("  {figures}"));
    }
    ensure!(calm.acked > 0, "no reading was acknowledged: there was no load");
    ensure!(calm.lost == 0, "{} acknowledged readings are lost", calm.lost);
    ensure!(all.duplicates == 0, "{} readings are stored twice", all.duplicates);
    ensure!(all.receipts_lost == 0, "{} confirmed readings are not stored", all.receipts_lost);
    Ok(())
}

/// Kills one process and starts it again; gives back the seconds until it was ready.
fn strike(platform: &mut Platform, victim: &str, interrupt: &Interrupt) -> Result<f64> {
    pause(BEFORE, interrupt)?;
    process(platform, victim)?.kill()?;
    say::note(format!("  kill -9 {victim}"));
    pause(ABSENT, interrupt)?;
    let begun = Instant::now();
    process(platform, victim)?.start_again()?;
    let took = begun.elapsed().as_secs_f64();
    pause(AFTER, interrupt)?;
    // Nobody else may have fallen with it.
    platform.tend()?;
    Ok((took * 100.0).round() / 100.0)
}

fn process<'p>(platform: &'p mut Platform, name: &str) -> Result<&'p mut Process> {
    match name {
        "nats" => Ok(platform.stack.nats.process()),
        "postgres" => Ok(platform.stack.postgres.process()),
        BROKER => Ok(platform.mosquitto.process()),
        service => platform.crew.get(service),
    }
}

fn pause(time: Duration, interrupt: &Interrupt) -> Result<()> {
    thread::sleep(time);
    interrupt.check()
}
