//! The worker stores what arrives, runs what is asked for, and calls tenants' webhooks.
//!
//! It owns `series.telemetry` and `platform.jobs`; nobody else writes them. It promises that a
//! reading on the stream is stored exactly once before it is acknowledged, that one bad reading
//! never holds up the others, that a job outlives the worker that ran it, and that a webhook is called
//! until its receiver has taken it or minutes are over. It never asks another service anything.

mod config;
mod jobs;
mod telemetry;
mod webhooks;

use std::sync::Arc;

use tokio::sync::Notify;
use tonic::service::Routes;
use yard_authn::audit::Auditor;
use yard_authn::revocations::{self, Need};
use yard_authn::{Identity, server};
use yard_contracts::job::v1::job_service_server::JobServiceServer;
use yard_contracts::telemetry::v1::telemetry_service_server::TelemetryServiceServer;
use yard_messaging::Nats;
use yard_pg::Pg;
use yard_runtime::{Runtime, TaskKind};

pub use config::{Config, DEFAULT_CONFIG, JobsConfig, ListenConfig, WebhooksConfig, WriterConfig};
pub use telemetry::writer;

/// Starts the worker; returns once everything is under way.
///
/// # Errors
/// When a listener, the identity, the database's URL or the broker cannot be used.
pub async fn run(config: Config, rt: Runtime) -> anyhow::Result<()> {
    let listener = rt.bind("grpc", config.grpc.listen).await?;
    let identity = Identity::load(&config.identity, &rt)?;
    let pg = Pg::open(&config.postgres, rt.service())?;
    pg.watch(&rt);
    let nats = Nats::connect(&config.nats, &rt).await?;
    revocations::follow(&rt, &nats, identity.verifier(), Need::Advice).await?;
    let auditor = Auditor::start(&rt, nats.audit_trail());

    let ready = rt.health().await_start("telemetry partitions");
    let soft = rt.shutdown().soft().clone();
    let ensure = telemetry::partitions::ensure_at_start(pg.clone(), ready, soft);
    rt.tasks().spawn(TaskKind::Background, "partitions", ensure);

    writer::start(&rt, &pg, &nats, &config.telemetry_writer);
    start_jobs(&rt, &pg, &nats, &config.jobs);
    webhooks::start(&rt, &nats, &config)?;

    let telemetry = telemetry::queries::TelemetryApi::new(pg.clone(), rt.clock());
    let routes = Routes::new(TelemetryServiceServer::new(telemetry))
        .add_service(JobServiceServer::new(jobs::JobApi::new(pg, nats, rt.clock())));
    server::serve(&rt, listener, identity.verifier(), &auditor, routes);
    Ok(())
}

fn start_jobs(rt: &Runtime, pg: &Pg, nats: &Nats, config: &JobsConfig) {
    let wake = Arc::new(Notify::new());
    let (soft, hard) = (rt.shutdown().soft().clone(), rt.shutdown().hard().clone());
    let ingest = jobs::ingest::consume(nats.clone(), pg.clone(), Arc::clone(&wake), soft.clone());
    rt.tasks().spawn(TaskKind::Critical, "job ingest", ingest);
    let rescue = jobs::rescue::run(pg.clone(), config.rescue, Arc::clone(&wake), soft.clone());
    rt.tasks().spawn(TaskKind::Critical, "job rescue", rescue);
    let runner = jobs::runner::Runner::new(pg.clone(), config, rt.ids(), wake);
    rt.tasks().spawn(TaskKind::Critical, "job runner", runner.run(soft, hard));
}
