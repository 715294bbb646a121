//! The composition root.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use yard_authn::audit::{Auditor, Publish};
use yard_authn::client::ServiceChannel;
use yard_authn::revocations::{self, Need};
use yard_authn::{Identity, client, server};
use yard_contracts::command::v1::command_service_server::CommandServiceServer;
use yard_contracts::device::v1::contract_service_server::ContractServiceServer;
use yard_contracts::device::v1::device_service_server::DeviceServiceServer;
use yard_contracts::streams::{COMMANDS, JOBS, QUARANTINE, REPORTS, StreamSpec};
use yard_contracts::subjects;
use yard_messaging::{BatchHandler, ConsumerSpec, Nats, consume};
use yard_outbox::{Relay, audit_trail};
use yard_pg::Pg;
use yard_pg::outbox::Outbox;
use yard_runtime::{Runtime, TaskKind};

use crate::broker::{BrokerDesk, Cutter, Refusals};
use crate::commands::{CommandReports, Commands, Deadlines, Desk, Dispatcher, Redispatch};
use crate::config::Config;
use crate::contracts::Contracts;
use crate::devices::{Devices, Registrar};
use crate::mqtt::{self, Downlink, LinkStop};
use crate::presence::{self, Heard, StatusReports, Sweeps};
use crate::quarantine::Keeper;
use crate::receipts;
use crate::registry::{self, Registry};
use crate::telemetry::{self, Notices, Pipeline, Wiring};

/// What most parts are made from.
struct Parts {
    config: Config,
    runtime: Runtime,
    stop: CancellationToken,
    pg: Pg,
    nats: Nats,
    registry: Registry,
    heard: Heard,
    desk: Desk,
}

/// Starts the service and returns; its tasks go on until the runtime stops them.
///
/// # Errors
/// When the configuration cannot be used, a listener cannot be bound, or NATS is not there.
pub async fn run(config: Config, runtime: Runtime) -> anyhow::Result<()> {
    let identity = Identity::load(&config.identity, &runtime)?;
    let auth = client::channel("auth.endpoint", &config.auth.endpoint, &identity)?;
    let listener = runtime.bind("grpc", config.grpc.listen).await?;
    let pg = Pg::open(&config.postgres, runtime.service())?;
    pg.watch(&runtime);
    let nats = Nats::connect(&config.nats, &runtime).await?;
    revocations::follow(&runtime, &nats, identity.verifier(), Need::Advice).await?;

    let parts = Parts::new(config, runtime, pg, nats);
    parts.keep_directory();
    let broker = parts.hear_the_broker();
    let downlink = parts.take_messages(broker.clone())?;
    parts.cut_off_the_revoked(broker, &downlink);
    parts.keep_presence();
    parts.move_commands(&downlink);
    parts.pass_receipts_on(downlink);
    let auditor = Auditor::start(&parts.runtime, parts.trail());
    server::serve(&parts.runtime, listener, identity.verifier(), &auditor, parts.routes(auth));
    Ok(())
}

impl Parts {
    fn new(config: Config, runtime: Runtime, pg: Pg, nats: Nats) -> Self {
        let desk = Desk {
            pg: pg.clone(),
            nats: nats.clone(),
            clock: runtime.clock(),
            ids: runtime.ids(),
            nudge: Arc::new(Notify::new()),
        };
        Self {
            config,
            stop: runtime.shutdown().soft().clone(),
            registry: Registry::new(pg.clone()),
            runtime,
            pg,
            nats,
            heard: Heard::default(),
            desk,
        }
    }

    /// Where audited calls are told of.
    fn trail(&self) -> Publish {
        let (pg, nats, nudge) = (self.pg.clone(), self.nats.clone(), Arc::clone(&self.desk.nudge));
        audit_trail(pg, nats, Outbox::Ingest, nudge, self.runtime.clock())
    }

    fn spawn<F>(&self, name: &'static str, work: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.runtime.tasks().spawn(TaskKind::Critical, name, work);
    }

    fn consume<H: BatchHandler>(&self, spec: ConsumerSpec, handler: H) {
        let name = spec.name;
        self.spawn(name, consume(self.nats.clone(), spec, handler, self.stop.clone()));
    }

    /// Not ready before the directory is in memory: each miss costs a look-up.
    fn keep_directory(&self) {
        let starting = self.runtime.health().await_start("directory");
        let (registry, stop) = (self.registry.clone(), self.stop.clone());
        let changes = registry::follow_changes(registry.clone(), self.nats.clone(), stop.clone());
        self.spawn("directory changes", changes);
        let nats = self.nats.clone();
        let standings = registry::answer_standings(registry.clone(), nats, stop.clone());
        self.spawn("standings", standings);
        self.spawn("quarantine", registry::follow_quarantine(registry.clone(), stop.clone()));
        self.runtime.tasks().spawn(TaskKind::Background, "directory", async move {
            registry::preload(&registry, &stop).await;
            drop(starting);
            Ok(())
        });
    }

    /// What the broker's plugin tells.
    fn hear_the_broker(&self) -> BrokerDesk {
        let (desk, ears) = BrokerDesk::new();
        let refusals = Refusals::new(
            self.registry.clone(),
            self.nats.clone(),
            self.runtime.clock(),
            self.runtime.ids(),
            self.stop.clone(),
        );
        self.spawn("broker reports", ears.run(refusals, self.stop.clone()));
        desk
    }

    fn cut_off_the_revoked(&self, desk: BrokerDesk, downlink: &Downlink) {
        // Without the plugin nobody here can do it, and auth hears that nobody answers.
        if !self.config.mqtt.broker_plugin {
            return;
        }
        let (nats, ids) = (self.nats.clone(), self.runtime.ids());
        let cutter = Cutter { nats, downlink: downlink.clone(), desk, ids };
        self.spawn("cuts", cutter.run(self.stop.clone()));
    }

    fn take_messages(&self, broker: BrokerDesk) -> anyhow::Result<Downlink> {
        let stop = LinkStop { soft: self.stop.clone(), drained: CancellationToken::new() };
        let link = mqtt::open(&self.config.mqtt, &self.runtime, stop.clone())?;
        let downlink = link.downlink.clone();
        let (notices, waiting) = Notices::new();
        let send = telemetry::send_notices(waiting, downlink.clone(), self.stop.clone());
        self.spawn("notices", send);
        let wiring = Wiring {
            registry: self.registry.clone(),
            nats: self.nats.clone(),
            heard: self.heard.clone(),
            notices,
            broker,
            patience: self.config.telemetry.lookup_patience,
            traced: !self.config.runtime.otlp_endpoint.is_empty(),
            stop,
        };
        Pipeline::start(&self.runtime, link, wiring);
        let spec = consumer(&QUARANTINE, "quarantine-keeper", String::new(), 200);
        self.consume(spec, Keeper { pg: self.pg.clone() });
        Ok(downlink)
    }

    fn keep_presence(&self) {
        let redispatch = Redispatch::default();
        let resend_after = self.config.commands.resend_after;
        let again = redispatch.clone().run(self.desk.clone(), resend_after, self.stop.clone());
        self.spawn("redispatch", again);
        let status = StatusReports { pg: self.pg.clone(), nats: self.nats.clone(), redispatch };
        self.consume(
            consumer(&REPORTS, "status-reports", subjects::report_any("status"), 200),
            status,
        );
        let sweeps = Sweeps {
            pg: self.pg.clone(),
            nats: self.nats.clone(),
            heard: self.heard.clone(),
            lease: self.config.presence.lease,
            clock: self.runtime.clock(),
        };
        self.consume(consumer(&JOBS, "ingest-jobs", subjects::job("ingest", ">"), 20), sweeps);
        let write_down = presence::write_down(
            self.heard.clone(),
            self.pg.clone(),
            self.nats.clone(),
            self.config.presence.flush_interval,
            self.stop.clone(),
        );
        self.spawn("presence", write_down);
    }

    fn move_commands(&self, downlink: &Downlink) {
        let config = &self.config.commands;
        let desk = &self.desk;
        let relay = Relay::new(
            &self.runtime,
            self.pg.clone(),
            self.nats.clone(),
            Outbox::Ingest,
            Arc::clone(&desk.nudge),
        );
        self.spawn("outbox", relay.run(self.stop.clone()));
        let dispatcher = Dispatcher {
            desk: desk.clone(),
            downlink: downlink.clone(),
            patience: config.puback_timeout,
            resend_after: config.resend_after,
        };
        let spec = consumer(&COMMANDS, "command-dispatcher", String::new(), 32);
        self.consume(spec, dispatcher);
        self.consume(
            consumer(&REPORTS, "command-reports", subjects::report_any("command"), 64),
            CommandReports { desk: desk.clone() },
        );
        let deadlines = Deadlines { desk: desk.clone() };
        self.spawn("deadlines", deadlines.run(config.sweep_interval, self.stop.clone()));
    }

    fn pass_receipts_on(&self, downlink: Downlink) {
        let receipts = receipts::pass_on(self.nats.clone(), downlink, self.stop.clone());
        self.spawn("receipts", receipts);
    }

    fn routes(&self, auth: ServiceChannel) -> Routes {
        let (clock, ids) = (self.runtime.clock(), self.runtime.ids());
        let contracts =
            Contracts { pg: self.pg.clone(), clock: Arc::clone(&clock), ids: Arc::clone(&ids) };
        let registrar = Registrar {
            pg: self.pg.clone(),
            nats: self.nats.clone(),
            registry: self.registry.clone(),
            auth,
            clock,
            ids,
        };
        let commands = Commands { desk: self.desk.clone(), registry: self.registry.clone() };
        Routes::new(DeviceServiceServer::new(Devices { registrar }))
            .add_service(ContractServiceServer::new(contracts))
            .add_service(CommandServiceServer::new(commands))
    }
}

/// A consumer whose batch is surely done within the time for acknowledging it.
fn consumer(
    stream: &StreamSpec,
    name: &'static str,
    filter: String,
    max_batch: usize,
) -> ConsumerSpec {
    ConsumerSpec {
        stream: stream.name,
        name,
        filter,
        ack_wait: Duration::from_secs(60),
        max_ack_pending: 1_000,
        max_batch,
    }
}
