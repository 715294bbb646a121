//! The scheduler fires what runs by the clock.
//!
//! It owns `platform.schedules`, `platform.fires`, `platform.leases` and `platform.heartbeat`. Any number of instances
//! may run; one leads, by a lease on the database's clock, and every fire is written in a
//! transaction that holds that lease still. A fire is a unique row, so that no two instances and no
//! clock can double it; the job it asks for leaves by the outbox. It runs no job itself.

mod config;
mod heartbeat;
mod leadership;
mod schedules;

use std::sync::Arc;

use tokio::sync::Notify;
use tonic::service::Routes;
use yard_authn::audit::Auditor;
use yard_authn::revocations::{self, Need};
use yard_authn::{Identity, server};
use yard_contracts::schedule::v1::schedule_service_server::ScheduleServiceServer;
use yard_messaging::Nats;
use yard_outbox::{Relay, audit_trail};
use yard_pg::Pg;
use yard_pg::outbox::Outbox;
use yard_runtime::{Runtime, TaskKind};

use leadership::Leadership;
use schedules::{ScheduleApi, Ticker};

pub use config::{Config, DEFAULT_CONFIG, LeaderConfig, ListenConfig};

/// Starts the scheduler; returns once everything is under way.
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

    let soft = rt.shutdown().soft();
    let written = Arc::new(Notify::new());
    let (told, nudge) = (nats.clone(), Arc::clone(&written));
    let trail = audit_trail(pg.clone(), told, Outbox::Scheduler, nudge, rt.clock());
    let auditor = Auditor::start(&rt, trail);
    let relay = Relay::new(&rt, pg.clone(), nats, Outbox::Scheduler, Arc::clone(&written));
    rt.tasks().spawn(TaskKind::Critical, "outbox relay", relay.run(soft.clone()));

    let beat = heartbeat::run(pg.clone(), soft.clone());
    rt.tasks().spawn(TaskKind::Background, "heartbeat", beat);
    let leadership = Arc::new(Leadership::new(&pg, rt.instance(), config.leader));
    let lead = Arc::clone(&leadership).run(soft.clone());
    rt.tasks().spawn(TaskKind::Critical, "leadership", lead);
    let ticker = Ticker::new(pg.clone(), leadership, Arc::clone(&written));
    rt.tasks().spawn(TaskKind::Critical, "ticker", ticker.run(soft.clone()));

    let routes = Routes::new(ScheduleServiceServer::new(ScheduleApi::new(pg, written)));
    server::serve(&rt, listener, identity.verifier(), &auditor, routes);
    Ok(())
}
