//! The command line.

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::workspace::Workspace;
use crate::{bench, chaos, chart, check, house, matrix, requirements, suite, up};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Developer tasks of Switchyard", version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Starts everything on this machine, with two demo tenants and simulated devices.
    Up(up::UpArgs),
    /// Runs every test and check; the last line says how many passed.
    Test(suite::TestArgs),
    /// Format, lints and the house checks.
    Check,
    /// Checks that every requirement called done has evidence that exists.
    Requirements(Json),
    /// Measures what the platform carries on this machine.
    Bench(bench::BenchArgs),
    /// Kills every process in turn under load and counts what was lost.
    Chaos(chaos::ChaosArgs),
    /// Tries every RPC as everyone who must not be let in.
    Matrix(Json),
    /// Renders and validates the Helm chart with each of its values files.
    Chart(Json),
    /// Writes the OpenAPI document and the console's types from the descriptors.
    Openapi,
}

/// How a measurement is printed.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Json {
    /// Print the figures as one JSON object on the last line of standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::find()?;
    match Cli::parse().task {
        Task::Up(args) => up::run(&workspace, &args),
        Task::Test(args) => suite::run(&workspace, &args),
        Task::Check => check::run(&workspace),
        Task::Requirements(how) => requirements::run(&workspace, how),
        Task::Bench(args) => bench::run(&workspace, &args),
        Task::Chaos(args) => chaos::run(&workspace, &args),
        Task::Matrix(how) => matrix::run(&workspace, how),
        Task::Chart(how) => chart::run(&workspace, how),
        Task::Openapi => house::regenerate_openapi(&workspace),
    }
}
