//! What every `main` does, in this order: crypto provider, arguments, configuration, telemetry,
//! admin listener, the service's `run`, wait, drain, flush.

use std::future::Future;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{self, ServiceConfig};
use crate::{Runtime, RuntimeConfig, TaskKind, admin, telemetry};

/// What the `main!` macro knows of a service.
#[derive(Debug, Clone, Copy)]
pub struct ServiceInfo {
    /// For example `device-ingest`.
    pub name: &'static str,
    /// From `Cargo.toml`.
    pub version: &'static str,
    /// The documented default configuration.
    pub default_config: &'static str,
}

#[derive(Parser)]
struct Arguments {
    /// Configuration file; options not in it keep their defaults.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// Runs the service (the default).
    Run,
    /// Prints every option with its default and what it is for.
    Defaults,
    /// Prints the configuration in effect, without secrets.
    Config,
    /// Checks the configuration and leaves.
    Check,
}

/// The body of every service's `main`.
pub fn service_main<C, F, Fut>(info: ServiceInfo, run: F) -> ExitCode
where
    C: ServiceConfig,
    F: FnOnce(C, Runtime) -> Fut + Send + 'static,
    Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    crate::install_crypto_provider();
    let arguments = Arguments::parse();
    let loaded = config::load::<C>(info.name, info.default_config, arguments.config.as_deref());
    let config = match loaded {
        Ok(config) => config,
        Err(problem) => return complain(info.name, &problem.to_string()),
    };
    let printed = match arguments.command {
        None | Some(Action::Run) => return start(info, config, run),
        Some(Action::Check) => "configuration is usable\n".to_owned(),
        Some(Action::Defaults) => info.default_config.to_owned(),
        Some(Action::Config) => match toml::to_string(&config) {
            Ok(text) => text,
            Err(error) => return complain(info.name, &error.to_string()),
        },
    };
    match std::io::stdout().write_all(printed.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_closed) => ExitCode::FAILURE,
    }
}

/// One line on standard error; before logging is set up there is no better place.
fn complain(service: &str, problem: &str) -> ExitCode {
    let line = format!("{service}: {}\n", problem.replace('\n', " "));
    drop(std::io::stderr().write_all(line.as_bytes()));
    ExitCode::from(2)
}

fn start<C, F, Fut>(info: ServiceInfo, config: C, run: F) -> ExitCode
where
    C: ServiceConfig,
    F: FnOnce(C, Runtime) -> Fut + Send + 'static,
    Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let executor = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(executor) => executor,
        Err(error) => return complain(info.name, &error.to_string()),
    };
    let left = executor.block_on(live(info, config, run));
    // All had their time. Waiting for a thread that hangs, in a look-up of a name for example,
    // would only end in a kill.
    executor.shutdown_background();
    match left {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => complain(info.name, &format!("{error:#}")),
    }
}

async fn live<C, F, Fut>(info: ServiceInfo, config: C, run: F) -> anyhow::Result<bool>
where
    C: ServiceConfig,
    F: FnOnce(C, Runtime) -> Fut + Send + 'static,
    Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let settings: RuntimeConfig = config.runtime().clone();
    let runtime = Runtime::builder(info.name, info.version).build();
    let telemetry = telemetry::install(&settings, runtime.build())?;
    // Caught here as well as by the tasks, so that a panic is a log line and not stray text.
    std::panic::set_hook(Box::new(|panic| tracing::error!(panic = %panic, "panicked")));
    let listener = runtime.bind("admin", settings.admin_listen).await?;
    admin::serve(&runtime, listener, Some(telemetry.log.clone()));
    let upkeep = telemetry::keep_up(runtime.shutdown().soft().clone());
    runtime.tasks().spawn(TaskKind::Background, "metrics upkeep", upkeep);

    tracing::info!(version = info.version, instance = runtime.instance(), "starting");
    let started = tokio::select! {
        started = run(config, runtime.clone()) => started.context("start"),
        signal = stop_signal() => { runtime.shutdown().begin(); signal }
    };
    if let Err(error) = &started {
        tracing::error!(error = format!("{error:#}"), "could not start");
    } else if !runtime.shutdown().is_draining() {
        tracing::info!("started");
        wait_for_end(&runtime).await?;
    }
    tracing::info!("draining");
    let clean = tokio::select! {
        clean = runtime.stop(settings.drain_delay, settings.drain_deadline) => clean,
        second = stop_signal() => { second?; false }
    };
    tracing::info!(clean, "stopped");
    drop(telemetry);
    started.map(|()| clean)
}

async fn wait_for_end(runtime: &Runtime) -> anyhow::Result<()> {
    tokio::select! {
        signal = stop_signal() => signal,
        () = runtime.tasks().critical_failure() => Ok(()),
    }
}

async fn stop_signal() -> anyhow::Result<()> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}
