//! `cargo xtask bench NAME`: what the platform carries on this machine, with everything on it.

mod audit;
mod auth;
mod broker;
mod fanout;
mod ingest;
mod limits;
mod revocation;
mod tenants;
mod writer;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::Value;
use yard_stack::{Durability, Tools};

use crate::interrupt::Interrupt;
use crate::platform::{self, Platform, Settings};
use crate::workspace::Workspace;
use crate::{command, say};

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[arg(value_enum)]
    name: Name,
    /// Print the figures as one JSON object on the last line of standard output.
    #[arg(long)]
    json: bool,
    /// Devices of both tenants together.
    #[arg(long, default_value_t = 200)]
    devices: u32,
    /// How long to measure.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Readings per second of all devices together; left out, as fast as the broker takes them.
    #[arg(long)]
    rate: Option<f64>,
    /// Readings for the writer.
    #[arg(long, default_value_t = 300_000)]
    readings: u64,
    /// Records for the audit trail.
    #[arg(long, default_value_t = 50_000)]
    records: u64,
    /// Tenants to make.
    #[arg(long, default_value_t = 500)]
    tenants: u32,
    /// Builds without optimisation: quick to try, no figures to publish.
    #[arg(long)]
    debug: bool,
    /// Takes the programs as they lie in the build folder (fanout).
    #[arg(long)]
    built: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Device to committed row, beside a subscriber that only counts.
    Ingest,
    /// Stream to committed row.
    Writer,
    /// The broker alone, with and without our plugin.
    Broker,
    /// From the revocation of a certificate to the end of its device's connection, 50 times.
    Revocation,
    /// Audited calls, and records to entries of a chain.
    Audit,
    /// Many tenants: creation, migration, catalogue, memory of a pooled connection.
    Tenants,
    /// Sign-ins, token verifications, and how long a session's revocation takes.
    Auth,
    /// Rate-limit decisions, and requests through the gateway.
    Limits,
    /// From the HTTP API to many sockets, openings, client events, a storm; beside it the floor.
    Fanout,
}

/// Starts a platform of its own, measures and stops it.
pub(crate) fn run(workspace: &Workspace, args: &BenchArgs) -> Result<()> {
    // None of these needs a platform of child processes.
    match args.name {
        Name::Revocation => {
            publish(args, &revocation::measure(workspace, args.debug)?);
            return Ok(());
        }
        Name::Broker => {
            publish(args, &broker::measure(workspace, args)?);
            return Ok(());
        }
        Name::Auth => {
            publish(args, &auth::measure(workspace, !args.debug)?);
            return Ok(());
        }
        Name::Tenants => {
            publish(args, &tenants::measure(workspace, args)?);
            return Ok(());
        }
        Name::Fanout => {
            publish(args, &fanout::measure(workspace, args)?);
            return Ok(());
        }
        Name::Ingest | Name::Writer | Name::Audit | Name::Limits => {}
    }
    let interrupt = Interrupt::install()?;
    let progress = &mut |line: &str| say::note(format!("    {line}"));
    let tools = Tools::find_or_install(&workspace.tool_cache(), progress)?;
    let release = !args.debug;
    platform::build(workspace, release)?;
    say::step("building the counterparts", || {
        let cargo = command::cargo(workspace.root()).args(["build", "--package", "yard-bench"]);
        if release { cargo.arg("--release") } else { cargo }.run()
    })?;
    let settings = Settings {
        dir: workspace.join(".switchyard-bench"),
        keep: false,
        release,
        usual_ports: false,
        durability: Durability::Kept,
    };
    let mut platform = Platform::start(workspace, &tools, &settings, &interrupt)?;
    let measured = match args.name {
        Name::Ingest => ingest::measure(workspace, &mut platform, args, &interrupt),
        Name::Writer => writer::measure(workspace, &mut platform, args, &interrupt),
        Name::Audit => audit::measure(workspace, &mut platform, args, &interrupt),
        Name::Revocation | Name::Broker | Name::Auth | Name::Tenants | Name::Fanout => {
            unreachable!("measured above")
        }
        Name::Limits => limits::measure(workspace, &mut platform, args, &interrupt),
    };
    platform.stop();
    publish(args, &measured?);
    Ok(())
}

fn publish(args: &BenchArgs, figures: &Value) {
    if args.json {
        say::out(figures);
    } else {
        say::note(format!("{figures:#}"));
    }
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
