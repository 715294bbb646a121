//! `cargo xtask up`: from a fresh checkout to a running platform with devices in it.

mod guide;
mod headless;

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use yard_stack::{Durability, Tools};

use crate::console;
use crate::fleet::{Fleet, Pace, Plan, Receipts};
use crate::interrupt::Interrupt;
use crate::platform::{self, Platform, Settings};
use crate::say;
use crate::workspace::Workspace;

/// What to start.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Without a person: wait until both tenants have 1,000 readings stored and a command done,
    /// print the figures as one JSON object and end.
    #[arg(long)]
    check: bool,
    /// Simulated devices of each tenant.
    #[arg(long, default_value_t = 10, value_name = "N")]
    devices: u32,
    /// Optimised builds (slower to build, faster to run).
    #[arg(long)]
    release: bool,
    /// Go on with the data of the last run.
    #[arg(long)]
    keep: bool,
}

/// Starts everything; stops it again on Ctrl-C, or when `--check` has its answer.
pub(crate) fn run(workspace: &Workspace, args: &UpArgs) -> Result<()> {
    let begun = Instant::now();
    let interrupt = Interrupt::install()?;
    let settings = settings(workspace, args);
    say::note("Switchyard");
    let tools = say::step("finding PostgreSQL, Redis, NATS and Mosquitto", || {
        let progress = &mut |line: &str| say::note(format!("    {line}"));
        Ok(Tools::find_or_install(&workspace.tool_cache(), progress)?)
    })?;
    platform::build(workspace, args.release)?;
    interrupt.check()?;
    console::install(workspace)?;
    console::build(workspace)?;
    interrupt.check()?;
    let mut platform = Platform::start(workspace, &tools, &settings, &interrupt)?;
    let mut fleet = say::step("registering, enrolling and starting the devices", || {
        let mut fleet = Fleet::start(&platform, workspace, &plan(args))?;
        fleet.wait_connected(&interrupt)?;
        Ok(fleet)
    })?;
    let ready = begun.elapsed();
    let ended = if args.check {
        headless::run(&mut platform, &mut fleet, &interrupt, ready)
    } else {
        guide::show(&platform, ready);
        stay(&mut platform, &mut fleet, &interrupt)
    };
    say::note("\nstopping …");
    drop(fleet);
    platform.stop();
    ended
}

fn settings(workspace: &Workspace, args: &UpArgs) -> Settings {
    Settings {
        dir: workspace.join(".switchyard"),
        keep: args.keep,
        release: args.release,
        usual_ports: !args.check,
        durability: Durability::Kept,
    }
}

/// One reading a second of each device to look at; ten when only the figures count.
fn plan(args: &UpArgs) -> Plan {
    let each = if args.check { 10.0 } else { 1.0 };
    let pace = Pace::PerSecond(f64::from(args.devices) * each);
    Plan { devices: args.devices, pace, receipts: Receipts::SecondTenant }
}

fn stay(platform: &mut Platform, fleet: &mut Fleet, interrupt: &Interrupt) -> Result<()> {
    while !interrupt.is_set() {
        platform.tend()?;
        fleet.tend()?;
        std::thread::sleep(Duration::from_millis(250));
    }
    Ok(())
}
